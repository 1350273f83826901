"""The tables of audio: how fast files become images, and what of a copy moves its image."""

from collections.abc import Callable
from typing import Any

__all__ = ["audio_tables"]


def audio_tables(figures: dict[str, Any], stamp: Callable[[dict[str, Any]], str]) -> dict[str, str]:
    """Give each table in Markdown, by its name.

    Args:
        figures: what `bench_audio.py` wrote.
        stamp: says how figures were measured.

    Returns:
        The tables.
    """
    return {
        "audio-speed": _audio_speed(figures, stamp(figures)),
        "audio-copies": _audio_copies(figures, stamp(figures)),
    }


def _audio_speed(figures: dict[str, Any], stamp: str) -> str:
    least = figures["to_reach"]["hours"] * 60 / figures["to_reach"]["minutes"]
    lines = [
        "| files | hours | seconds | times real time | to reach | processor seconds | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in figures["speed"].items():
        times = row["hours"] * 3600 / row["seconds"]
        lines.append(
            f"| {name} | {row['hours']:.1f} | {row['seconds']:.0f} | {times:.0f} | {least:.0f} "
            f"| {row['processor_seconds']:.0f} | {row['megabytes']:.0f} MB |"
        )
    loads = [row["load_before"] for row in figures["speed"].values()]
    about = f"The machine's load before each began: {min(loads):.1f} to {max(loads):.1f}."
    return "\n".join([*lines, "", about, "", stamp, ""])


def _audio_copies(figures: dict[str, Any], stamp: str) -> str:
    copies = figures["copies"]
    lines = ["| copy | moved by |", "|---|---|"]
    lines += [f"| {kind} | {moved:.4f} |" for kind, moved in copies["moved"].items()]
    lines.append(f"| for comparison: another track | {copies['between_tracks']:.4f} |")
    about = (
        f"{copies['excerpts']} excerpts of 14.9 s of the folder `music` in `IMPRINT_DATA`: "
        "385 excerpts from eight free games; it is not in the repository."
    )
    return "\n".join([*lines, "", about, "", stamp, ""])
