"""Answer early: exits calibrated for a trained network, measured, and put to use."""

from imprint.answering.inputs import Named, file_batches, image_files, part_batches
from imprint.answering.job import answer_early
from imprint.answering.predictions import Prediction, predict
from imprint.answering.record import EarlyExitResult
from imprint.answering.settings import ExitSettings

__all__ = [
    "EarlyExitResult",
    "ExitSettings",
    "Named",
    "Prediction",
    "answer_early",
    "file_batches",
    "image_files",
    "part_batches",
    "predict",
]
