"""What the tests of policy gradients share."""

import importlib.util

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def unchecked():
    """A module without jaxtyping's checks, as a reader's notebook has it."""

    def load(module):
        spec = importlib.util.spec_from_file_location("unchecked", module.__file__)
        copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(copy)
        return copy

    return load
