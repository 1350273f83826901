"""Imprint finds what a network already knows, and stops paying for it."""

from importlib.metadata import version

from imprint.data import indexed, load
from imprint.errors import ImprintError
from imprint.memory import ClassMemory
from imprint.signatures import signature
from imprint.similarity import cosine_similarity
from imprint.skipping import SkipGate
from imprint.taps import Tap
from imprint.training import TrainSettings, train
from imprint.types import DataSplits, ImageSet

__version__ = version("imprint")

__all__ = [
    "ClassMemory",
    "DataSplits",
    "ImageSet",
    "ImprintError",
    "SkipGate",
    "Tap",
    "TrainSettings",
    "cosine_similarity",
    "indexed",
    "load",
    "signature",
    "train",
]
