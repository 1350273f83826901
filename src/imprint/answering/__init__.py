"""Answer early: exits calibrated for a trained network, measured, and put to use."""

from imprint.answering.export import export_exits
from imprint.answering.exported import REFERENCE, ExportedNetwork
from imprint.answering.inputs import Named, file_batches, image_files, part_batches
from imprint.answering.job import answer_early
from imprint.answering.predictions import Prediction, predict, predict_exported
from imprint.answering.record import EarlyExitResult
from imprint.answering.settings import ExitSettings

__all__ = [
    "REFERENCE",
    "EarlyExitResult",
    "ExitSettings",
    "ExportedNetwork",
    "Named",
    "Prediction",
    "answer_early",
    "export_exits",
    "file_batches",
    "image_files",
    "part_batches",
    "predict",
    "predict_exported",
]
