"""Skip what is familiar: rules, the gate that applies them, and schedules of the keep ratio."""

from imprint.skipping.gate import SkipGate
from imprint.skipping.rules import RULES
from imprint.skipping.schedules import keep_at

__all__ = ["RULES", "SkipGate", "keep_at"]
