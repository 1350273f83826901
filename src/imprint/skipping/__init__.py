"""Skip what is familiar: the gate within a network, the plan before an epoch, and their rules."""

from imprint.skipping.freezing import ProgressiveFreezing, check_times
from imprint.skipping.gate import SkipGate
from imprint.skipping.history import HISTORY_RULES, HistoryPlan
from imprint.skipping.plan import SkipPlan
from imprint.skipping.rules import RULES
from imprint.skipping.sampling import EpochSampler
from imprint.skipping.schedules import count_steps, keep_at
from imprint.skipping.shares import PLANS, cover_for
from imprint.skipping.suspects import Suspects

__all__ = [
    "HISTORY_RULES",
    "PLANS",
    "RULES",
    "EpochSampler",
    "HistoryPlan",
    "ProgressiveFreezing",
    "SkipGate",
    "SkipPlan",
    "Suspects",
    "check_times",
    "count_steps",
    "cover_for",
    "keep_at",
]
