"""A search and its report: what was found, and why, in pictures; and what is recommended."""

from imprint.finding.images import RowImages
from imprint.finding.job import find
from imprint.finding.recommendation import Recommendation, recommend
from imprint.finding.record import SearchResult

__all__ = ["Recommendation", "RowImages", "SearchResult", "find", "recommend"]
