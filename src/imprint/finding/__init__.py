"""A search and its report: what was found, and why, in pictures."""

from imprint.finding.images import RowImages
from imprint.finding.job import find
from imprint.finding.record import SearchResult

__all__ = ["RowImages", "SearchResult", "find"]
