"""A network looked at as a whole: all that `imprint.seeing` finds, in one call."""

from imprint.sight.job import see
from imprint.sight.record import Sight
from imprint.sight.settings import SeeSettings

__all__ = ["SeeSettings", "Sight", "see"]
