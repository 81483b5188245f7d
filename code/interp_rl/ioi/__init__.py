"""Indirect object identification: the task, and the circuit that does it (section 2)."""

from interp_rl.ioi.circuit import Circuit, naive_circuit, random_circuits
from interp_rl.ioi.circuit_growth import grow
from interp_rl.ioi.edge_attribution import (
    all_receivers,
    attribution_edges,
    exact_edges,
    partial_edge,
)
from interp_rl.ioi.head_roles import Thresholds, find_roles
from interp_rl.ioi.knockouts import Ablator, knockout
from interp_rl.ioi.logit_attribution import direct_logit_attribution
from interp_rl.ioi.metrics import (
    Interval,
    accuracy,
    bootstrap_interval,
    io_probability,
    logit_difference,
    measure,
    prefers_io,
)
from interp_rl.ioi.nodes import Head, Node
from interp_rl.ioi.path_patching import LOGITS, Receiver, path_patch
from interp_rl.ioi.signals import signal_effects
from interp_rl.ioi.task import CORRUPTIONS, ORDERS, IOIDataset, Prompt, encode, make_dataset
from interp_rl.ioi.templates import TEMPLATES
from interp_rl.ioi.validation import Validation
from interp_rl.ioi.weights import read_weights

__all__ = [
    "CORRUPTIONS",
    "LOGITS",
    "ORDERS",
    "TEMPLATES",
    "Ablator",
    "Circuit",
    "Head",
    "IOIDataset",
    "Interval",
    "Node",
    "Prompt",
    "Receiver",
    "Thresholds",
    "Validation",
    "accuracy",
    "all_receivers",
    "attribution_edges",
    "bootstrap_interval",
    "direct_logit_attribution",
    "encode",
    "exact_edges",
    "find_roles",
    "grow",
    "io_probability",
    "knockout",
    "logit_difference",
    "make_dataset",
    "measure",
    "naive_circuit",
    "partial_edge",
    "path_patch",
    "prefers_io",
    "random_circuits",
    "read_weights",
    "signal_effects",
]
