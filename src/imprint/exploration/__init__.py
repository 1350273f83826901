"""A data set looked at as a whole: all that `imprint.exploring` finds, in one call."""

from imprint.exploration.job import ExploreSettings, check_extras, explore
from imprint.exploration.record import Exploration

__all__ = ["Exploration", "ExploreSettings", "check_extras", "explore"]
