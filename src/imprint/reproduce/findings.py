"""What an experiment found: claims with verdicts, and what shows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imprint.report import Look
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.verdicts import Claim

__all__ = ["Experiment", "Finding", "Table"]


class Table(NamedTuple):
    """Figures in rows.

    Attributes:
        columns: their names.
        lines: as text.
        caption: how to read them.
    """

    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    caption: str


@dataclass(frozen=True)
class Finding:
    """What an experiment found.

    Attributes:
        name: of the experiment.
        title: in a few words.
        question: what was asked, and how it was tried.
        answer: what came out.
        claims: of the paper, judged.
        tables: of figures.
        look: charts and pictures.
    """

    name: str
    title: str
    question: str
    answer: str
    claims: Sequence[Claim] = ()
    tables: Sequence[Table] = ()
    look: Look = field(default_factory=Look)

    def as_dict(self) -> dict[str, Any]:
        """Give what `result.json` holds of it; charts and pictures are the report's."""
        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "answer": self.answer,
            "claims": [claim.as_dict() for claim in self.claims],
            "tables": [table._asdict() for table in self.tables],
        }


class Experiment(NamedTuple):
    """A file's experiment.

    Attributes:
        cells: from a number of seeds to its work.
        finding: from what the cells gave, and that number, to what was found.
        seeds: how many where none are asked for.
    """

    cells: Callable[[int], list[Cell]]
    finding: Callable[[Results, int], Finding]
    seeds: int = 3
