"""What an experiment found: claims with verdicts, and what shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imprint.report import Look
from imprint.reproduce.verdicts import Claim

__all__ = ["Finding", "Table"]


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
