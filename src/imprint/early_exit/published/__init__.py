"""Published ways to answer early, a file each, to be set beside Imprint's."""

from imprint.early_exit.published.answers import Answers, ExitMethod
from imprint.early_exit.published.class_means import ClassMeans
from imprint.early_exit.published.final_confidence import FinalConfidence
from imprint.early_exit.published.fitted_head import FittedHead
from imprint.early_exit.published.signature_cache import SignatureCache
from imprint.early_exit.published.trained_exits import TrainedExit

__all__ = [
    "Answers",
    "ClassMeans",
    "ExitMethod",
    "FinalConfidence",
    "FittedHead",
    "SignatureCache",
    "TrainedExit",
]
