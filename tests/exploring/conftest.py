"""Real images to look at, and a watch over the global random states."""

import random
import sys

import numpy as np
import pytest
import torch

from imprint.data import load
from imprint.errors import MissingFileError
from imprint.types import ImageSet


@pytest.fixture(autouse=True)
def _untouched_randomness():
    """No test of this package may move a global random state."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before[2], after, strict=True))


@pytest.fixture
def without(monkeypatch):
    """Make a package impossible to import."""

    def hide(name):
        monkeypatch.setitem(sys.modules, name, None)

    return hide


def drawn(*shape, seed=0, most=256):
    """Random pixels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(most, shape, generator=generator, dtype=torch.uint8)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shuffled(count, seed=0):
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def first_images(name, count):
    """The first training images of a known set; skips the test where it is not there."""
    try:
        train = load(name).train
    except MissingFileError:
        pytest.skip(f"{name} is not on this machine")
    return ImageSet(train.images[:count].clone(), train.labels[:count], train.class_names)


@pytest.fixture(scope="session")
def digits():
    """2,400 images of MNIST, which is in the package."""
    return first_images("mnist", 2400)
