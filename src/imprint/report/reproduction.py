"""The report of `imprint reproduce`, which reads as a paper's results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from imprint.report.page import Chart, render
from imprint.report.pictures import Shown

__all__ = [
    "CLAIM_COLUMNS",
    "Look",
    "PictureRow",
    "claim_lines",
    "reproduce_report",
    "verdict_counts",
]

CLAIM_COLUMNS = ("claim", "printed", "ours", "control", "verdict")
VERDICTS = ("holds", "holds in part", "does not hold", "cannot be told")

Result = Mapping[str, Any]


class PictureRow(NamedTuple):
    """Pictures side by side.

    Attributes:
        title: what they show.
        shown: the pictures with their notes.
    """

    title: str
    shown: Sequence[Shown]


@dataclass(frozen=True)
class Look:
    """What shows a finding.

    Attributes:
        charts: of its figures.
        pictures: in rows.
    """

    charts: Sequence[Chart] = ()
    pictures: Sequence[PictureRow] = ()


def reproduce_report(result: Result, looks: Mapping[str, Look], command: str = "") -> str:
    """Make the report.

    Args:
        result: what `result.json` holds.
        looks: charts and pictures of each finding, by its name.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> finding = {"name": "figure-7", "title": "a < b", "question": "", "answer": ""}
        >>> result = {"findings": [finding | {"claims": [], "tables": []}], "versions": {}}
        >>> "a &lt; b" in reproduce_report(result, {"figure-7": Look()})
        True
    """
    return render(
        "reproduce.html",
        title="The paper, reproduced",
        summary=(
            "Understanding and expediting learning in Convolution Neural Networks using feature"
            " maps (2022): what it prints, what was measured here, and whether it holds."
        ),
        facts=[
            (verdict, str(count), "claims" if count != 1 else "claim")
            for verdict, count in verdict_counts(result).items()
        ],
        findings=result["findings"],
        looks=looks,
        columns=CLAIM_COLUMNS,
        settings=result["versions"],
        command=command,
    )


def verdict_counts(result: Result) -> dict[str, int]:
    """Count the verdicts.

    Args:
        result: with `findings`.

    Returns:
        how many claims each verdict has, of all four.

    Examples:
        >>> verdict_counts({"findings": [{"claims": [{"verdict": "holds"}]}]})["holds"]
        1
    """
    counts = Counter(c["verdict"] for finding in result["findings"] for c in finding["claims"])
    return {verdict: counts[verdict] for verdict in VERDICTS}


def claim_lines(finding: Result) -> list[list[str]]:
    """Put a finding's claims into lines of a table.

    Args:
        finding: with `claims`.

    Returns:
        A line a claim, a cell for each of `CLAIM_COLUMNS`.

    Examples:
        >>> claim = {"says": "a", "printed": "+1", "ours": "+2", "control": "", "verdict": "holds"}
        >>> claim_lines({"claims": [claim]})
        [['a', '+1', '+2', '', 'holds']]
    """
    return [
        [claim["says"], claim["printed"], claim["ours"], claim["control"], claim["verdict"]]
        for claim in finding["claims"]
    ]
