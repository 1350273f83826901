"""Train a network, with or without skipping, from data to result."""

from imprint.training.job import train
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Progress

__all__ = ["Progress", "TrainSettings", "train"]
