"""Answer early: exits calibrated for a trained network, measured, and put to use."""

from imprint.answering.job import answer_early
from imprint.answering.record import EarlyExitResult
from imprint.answering.settings import ExitSettings

__all__ = ["EarlyExitResult", "ExitSettings", "answer_early"]
