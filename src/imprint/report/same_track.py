"""The report of `imprint train --task same-track`."""

from collections.abc import Mapping
from typing import Any

from imprint.report.axes import named_axes
from imprint.report.page import Chart, Figure, render

__all__ = ["found_within_chart", "same_track_report"]

OURS, PLAIN = "#df6d1e", "#8a8f98"

MISSED_COLUMNS = ("excerpt, and what it found first", "similarity", "its own track", "at rank")

LONGEST_NAME = 34

Result = Mapping[str, Any]


def same_track_report(result: Result, command: str = "") -> str:
    """Make the report of a run that tells tracks apart.

    Args:
        result: what `result.json` holds.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> judged = {"first": 0.5, "first_five": 1.0, "found_within": [0.5, 1.0], "missed": []}
        >>> judged |= {f"untrained_{key}": value for key, value in judged.items()}
        >>> counts = {"tracks": 8, "excerpts": 20, "test_tracks": 2, "test_excerpts": 4}
        >>> about = {"settings": {}, "versions": {}, "seconds": 1.5, "dimensions": 64, "losses": []}
        >>> "the same track first" in same_track_report(judged | counts | about)
        True
    """
    return render(
        "same_track.html",
        title="Telling tracks apart",
        summary=_summary(result),
        facts=_facts(result),
        chart_of=found_within_chart(result) if result["found_within"] else None,
        loss_of=_loss_chart(result["losses"]) if result["losses"] else None,
        columns=MISSED_COLUMNS,
        lines=[_missed_line(row) for row in result["missed"]],
        settings=_settings(result),
        command=command,
    )


def _summary(result: Result) -> str:
    held = f"{result['test_excerpts']:,} excerpts of {result['test_tracks']:,} tracks"
    if not result["found_within"]:
        return f"Nothing was judged: of the {held} held out, no two are of one track."
    first, plain = (f"{100 * result[key]:.0f} %" for key in ("first", "untrained_first"))
    return (
        f"For {first} of {held} that were held out, the most similar of the others is of the same "
        f"track; with MFCC and chroma, for which nothing is trained, for {plain}."
    )


def _facts(result: Result) -> list[tuple[str, str, str]]:
    shares = [
        (name, _percent(result[key]), f"{_percent(result[f'untrained_{key}'])} by MFCC and chroma")
        for name, key in (("the same track first", "first"), ("among the first five", "first_five"))
    ]
    learnt = f"{result['excerpts']:,} excerpts"
    return [
        *shares,
        ("learnt from", f"{result['tracks']:,} tracks", learnt),
        ("learnt in", f"{result['seconds']:.1f} s", f"vectors of {result['dimensions']} numbers"),
    ]


def found_within_chart(result: Result) -> Chart:
    """Draw how many results one must look through to find the same track.

    Args:
        result: with `found_within` and `untrained_found_within`.

    Returns:
        A line for the run, one for MFCC and chroma.

    Examples:
        >>> found_within_chart({"found_within": [0.5, 1.0], "untrained_found_within": [0.2, 0.4]})
        Chart(title='Results looked through', ...)
    """
    lines = (
        ("this run", OURS, result["found_within"]),
        ("MFCC and chroma", PLAIN, result["untrained_found_within"]),
    )
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "line": {"color": colour},
            "x": list(range(1, len(shares) + 1)),
            "y": [round(100 * share, 2) for share in shares],
            "hovertemplate": f"{name}: %{{y:.1f}} % within the first %{{x}}<extra></extra>",
        }
        for name, colour, shares in lines
    ]
    layout = named_axes("results looked through (number)", "same track among them (% of queries)")
    layout["xaxis"] |= {"range": [0.5, len(result["found_within"]) + 0.5], "zeroline": False}
    layout["yaxis"] |= {"range": [0, 102]}
    caption = (
        "Each held-out excerpt asks once; the other excerpts are ranked by similarity. How often "
        "one of its own track is among the first one, two, three and so on."
    )
    return Chart("Results looked through", {"data": traces, "layout": layout}, caption)


def _loss_chart(losses: list[float]) -> Chart:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "x": list(range(1, len(losses) + 1)),
        "y": losses,
        "line": {"color": OURS},
        "hovertemplate": "epoch %{x}: %{y:.3f}<extra></extra>",
    }
    figure: Figure = {"data": [trace], "layout": named_axes("epoch (number)", "loss (nats)")}
    return Chart("Learning by contrast", figure, "The mean loss of each epoch.")


def _missed_line(row: Mapping[str, Any]) -> list[str]:
    similarities = (f"{row[key]:.3f}" for key in ("similarity", "own_similarity"))
    pair = " → ".join(_end_of(row[key]) for key in ("query", "found"))
    return [pair, *similarities, f"{row['own_rank']:,}"]


def _end_of(name: str) -> str:
    """The end of a name, which tells excerpts apart."""
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _settings(result: Result) -> dict[str, Any]:
    named = {key.replace("_", " "): value for key, value in result["settings"].items()}
    known = {key: value for key, value in named.items() if value is not None}
    return known | {f"{name} version": number for name, number in result["versions"].items()}


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"
