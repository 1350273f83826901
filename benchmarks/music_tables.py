"""The tables of music: how well the classical signatures find it, and what copies do to them."""

from collections.abc import Callable
from typing import Any

__all__ = ["music_tables"]


def music_tables(
    figures: dict[str, Any],
    learnt: dict[str, dict[str, Any]],
    hubs: dict[str, Any],
    stamp: Callable[[dict[str, Any]], str],
) -> dict[str, str]:
    """Give each table in Markdown, by its name.

    Args:
        figures: what `bench_music.py` wrote.
        learnt: what `bench_same_track.py` wrote, by what it was told.
        hubs: what `bench_local_scaling.py` wrote.
        stamp: says how figures were measured.

    Returns:
        The tables.
    """
    return {
        "music": _found(figures, stamp(figures)),
        "music-copies": _copies(figures, stamp(figures)),
        "same-track": _learnt(learnt, stamp),
        "local-scaling": _hubs(hubs, stamp(hubs)),
        "same-track-collections": _collections(learnt),
        "same-track-copies": _copies(first := next(iter(learnt.values())), stamp(first)),
    }


def _learnt(learnt: dict[str, dict[str, Any]], stamp: Callable[[dict[str, Any]], str]) -> str:
    """How well each way finds a track of a collection that was left out."""
    lines = [
        "| way | same track first | among five | same composer | milliseconds a query |",
        "|---|---|---|---|---|",
    ]
    names = {
        "mfcc_chroma": "MFCC and chroma",
        "statistics": "statistics of whole sounds, standardised",
    }
    first = next(iter(learnt.values()))
    rows = [(shown, first[key], "") for key, shown in names.items()]
    for kind, own in learnt.items():
        rows.append((f"same-track, {kind}", own["learnt"], f"{own['timed']['milliseconds']:.0f}"))
        if "wrong_tracks" in own:
            rows.append((f"same-track, {kind}, told wrong tracks", own["wrong_tracks"], ""))
    lines += [
        f"| {shown} | {own['first']:.3f} | {own['first_five']:.3f} | {own['composer']:.3f} | {ms} |"
        for shown, own, ms in rows
    ]
    goal = first["to_reach"]
    reach = (goal["first"], goal["composer"], goal["milliseconds"])
    lines.append("| to reach | {:.2f} | | {:.2f} | {} |".format(*reach))
    return "\n".join([*lines, "", *(f"{stamp(own)}\n" for own in learnt.values())])


def _hubs(figures: dict[str, Any], stamp: str) -> str:
    """What local scaling finds, and how even that is."""
    heads = ("query", "local scaling", "same track first", "same composer", "largest hub")
    lines = [f"| {' | '.join((*heads, 'never found', 'milliseconds'))} |", "|---" * 7 + "|"]
    lines += [
        f"| {'new' if row['new'] else 'a row'} | {'yes' if row['local_scaling'] else 'no'} "
        f"| {row['first']:.3f} | {row['composer']:.3f} | {row['largest_hub']} "
        f"| {row['never_found']:.1%} | {row['milliseconds']:.0f} |"
        for row in figures["rows"]
    ]
    return "\n".join([*lines, "", stamp, ""])


def _collections(learnt: dict[str, dict[str, Any]]) -> str:
    """The same track first, collection by collection."""
    first = next(iter(learnt.values()))["collections"]
    lines = [
        "| collection left out | excerpts | MFCC and chroma | "
        + " | ".join(f"same-track, {kind}" for kind in learnt) + " |",
        "|---|---|---|" + "---|" * len(learnt),
    ]  # fmt: skip
    for name, own in first.items():
        found = (f"{each['collections'][name]['learnt']:.2f}" for each in learnt.values())
        shown = " | ".join([str(own["excerpts"]), f"{own['mfcc_chroma']:.2f}", *found])
        lines.append(f"| {name} | {shown} |")
    return "\n".join([*lines, ""])


def _found(figures: dict[str, Any], stamp: str) -> str:
    own, unseen, goal = (figures[name] for name in ("ranked", "unseen", "to_reach"))
    timed = figures["timed"]
    rows = [
        ("the other excerpt of the same track is first", f"{own['first']:.2f}", goal["first"]),
        ("it is among the first five", f"{own['first_five']:.2f}", ""),
        ("likewise first, standardised by the other collections", f"{unseen['first']:.2f}", ""),
        ("of the five nearest other tracks, by the same composer", f"{own['composer']:.3f}",
         goal["composer"]),
        ("a file of 15 s to ten recommendations, milliseconds", f"{timed['milliseconds']:.0f}",
         f"{goal['milliseconds']}"),
    ]  # fmt: skip
    lines = ["| MFCC and chroma, nothing trained | measured | to reach |", "|---|---|---|"]
    lines += [f"| {what} | {measured} | {to_reach} |" for what, measured, to_reach in rows]
    about = (
        f"The folder `music` in `IMPRINT_DATA`: {figures['excerpts']} excerpts of "
        f"{figures['tracks']} tracks from eight free games; it is not in the repository. "
        f"{own['queries']} have another of their track, {own['composer_queries']} a composer. The "
        f"time is the median of {timed['asked']}, nine of ten took at most "
        f"{timed['milliseconds_p90']:.0f}; others used the machine."
    )
    return "\n".join([*lines, "", about, "", stamp, ""])


def _copies(figures: dict[str, Any], stamp: str) -> str:
    lines = [
        "| copy | finds its original | same first result | of the first five | copies | not read |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {row['itself']:.0%} | {row['first']:.0%} | {row['five']:.0%} "
        f"| {row['copies']} | {row['unreadable']} |"
        for kind, row in figures["copied"].items()
    ]
    return "\n".join([*lines, "", stamp, ""])
