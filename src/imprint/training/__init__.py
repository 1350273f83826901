"""Train a network, with or without skipping, from data to result."""

from imprint.training.job import train
from imprint.training.planning import plan_skip
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Progress

__all__ = ["Progress", "TrainSettings", "plan_skip", "train"]
