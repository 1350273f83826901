"""Networks attacked as a whole: each by itself and by the others, in one call."""

from imprint.attacking.job import attack
from imprint.attacking.record import AttackResult
from imprint.attacking.settings import AttackSettings

__all__ = ["AttackResult", "AttackSettings", "attack"]
