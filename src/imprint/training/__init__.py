"""Train a network, with or without skipping, from data to result."""

from imprint.training.job import train
from imprint.training.planning import plan_skip
from imprint.training.progress import Progress
from imprint.training.settings import TrainSettings

__all__ = ["Progress", "TrainSettings", "plan_skip", "train"]
