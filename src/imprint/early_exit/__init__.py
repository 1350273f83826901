"""Early exits: answer what a network knows before its last layer, with a promise on accuracy."""

from imprint.early_exit.answerers import Exit
from imprint.early_exit.calibrated import END, EarlyExit
from imprint.early_exit.calibration import TradeOff
from imprint.early_exit.exits import Route, early_exits
from imprint.early_exit.first_network import FIRST, FirstNetwork
from imprint.early_exit.fitting import fit_head
from imprint.early_exit.heads import (
    HEAD_KINDS,
    Head,
    HeadKind,
    Hidden,
    features_of,
    grid_means,
    head_logits,
    margins,
)
from imprint.early_exit.monitor import DriftMonitor, drift_scores
from imprint.early_exit.promise import (
    Promise,
    Tally,
    error_p_value,
    samples_needed,
    steps_that_hold,
)
from imprint.early_exit.routes import (
    Costs,
    Outcomes,
    expected_seconds,
    first_exits,
    tally_of,
)
from imprint.early_exit.thresholds import finer, thresholds_at
from imprint.early_exit.with_exits import WithExits

__all__ = [
    "END",
    "FIRST",
    "HEAD_KINDS",
    "Costs",
    "DriftMonitor",
    "EarlyExit",
    "Exit",
    "FirstNetwork",
    "Head",
    "HeadKind",
    "Hidden",
    "Outcomes",
    "Promise",
    "Route",
    "Tally",
    "TradeOff",
    "WithExits",
    "drift_scores",
    "early_exits",
    "error_p_value",
    "expected_seconds",
    "features_of",
    "finer",
    "first_exits",
    "fit_head",
    "grid_means",
    "head_logits",
    "margins",
    "samples_needed",
    "steps_that_hold",
    "tally_of",
    "thresholds_at",
]
