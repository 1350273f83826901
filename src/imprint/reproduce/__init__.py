"""The paper reproduced: a file for each of its figures, judged by stated rules."""

from imprint.reproduce.job import EXPERIMENTS, experiments_of, reproduce

__all__ = ["EXPERIMENTS", "experiments_of", "reproduce"]
