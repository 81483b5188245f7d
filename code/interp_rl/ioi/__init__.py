"""Indirect object identification: the task and how well a model does it (section 2)."""

from interp_rl.ioi.metrics import (
    Interval,
    accuracy,
    bootstrap_interval,
    io_probability,
    logit_difference,
    prefers_io,
)
from interp_rl.ioi.task import CORRUPTIONS, ORDERS, IOIDataset, Prompt, encode, make_dataset
from interp_rl.ioi.templates import TEMPLATES

__all__ = [
    "CORRUPTIONS",
    "ORDERS",
    "TEMPLATES",
    "IOIDataset",
    "Interval",
    "Prompt",
    "accuracy",
    "bootstrap_interval",
    "encode",
    "io_probability",
    "logit_difference",
    "make_dataset",
    "prefers_io",
]
