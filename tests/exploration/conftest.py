"""Data sets with planted faults."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from imprint.data import load
from imprint.errors import MissingFileError

PLANTING = Path(__file__).parents[2] / "benchmarks" / "planting.py"


def first_images(splits, train, test):
    """The first of each part's images."""
    parts = {"train": splits.train, "test": splits.test}
    counts = {"train": train, "test": test}
    return replace(splits, **{own: parts[own].taken(torch.arange(counts[own])) for own in parts})


@pytest.fixture(scope="session")
def fashion():
    try:
        return first_images(load("fashion-mnist"), 16_000, 4_000)
    except MissingFileError:
        pytest.skip("Fashion-MNIST is not here: Debian's dataset-fashion-mnist, or IMPRINT_DATA")


@pytest.fixture(scope="session")
def planted(fashion):
    spec = importlib.util.spec_from_file_location("planting", PLANTING)
    planting = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planting)
    return planting.plant(fashion, seed=1)
