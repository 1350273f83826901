"""What a search came to: the result and its report."""

from collections.abc import Sequence
from typing import Any

from imprint.report import PairLook, QueryLook, Reported, search_report

__all__ = ["SearchResult"]


class SearchResult(Reported):
    """What `find` came to.

    Attributes:
        result: what `result.json` holds; `docs/search.md` lists the keys.
    """

    def __init__(
        self, result: dict[str, Any], queries: Sequence[QueryLook], pairs: Sequence[PairLook]
    ) -> None:
        super().__init__(result)
        self._queries, self._pairs = queries, pairs

    def page(self, command: str = "") -> str:
        """Make the report; see `Reported`."""
        return search_report(self.result, self._queries, self._pairs, command)
