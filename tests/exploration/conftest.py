"""Data sets with planted faults."""

import importlib.util
from pathlib import Path

import pytest

from imprint.data import load
from imprint.errors import MissingFileError

PLANTING = Path(__file__).parents[2] / "benchmarks" / "planting.py"


@pytest.fixture(scope="session")
def fashion():
    try:
        return load("fashion-mnist")
    except MissingFileError:
        pytest.skip("Fashion-MNIST is not here: Debian's dataset-fashion-mnist, or IMPRINT_DATA")


@pytest.fixture(scope="session")
def planted(fashion):
    spec = importlib.util.spec_from_file_location("planting", PLANTING)
    planting = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planting)
    return planting.plant(fashion, seed=1)
