"""The tables of docs/benchmarks.md, from the committed results.

    python benchmarks/tables.py    # writes them into the page

Each table stands in the page between `<!-- table: <name> -->` and `<!-- end -->`.
"""

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["filled", "tables"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
PLACE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Give each table in Markdown, by its name."""
    named = {
        "overhead": _overhead(_read("overhead"), _read("mnist_to_99")),
        "step-time": _step_time(_read("step_time")),
    }
    for path in sorted(RESULTS.glob("skip_rules_*.json")):
        named[re.sub(r"[^a-z0-9]+", "-", path.stem)] = _skip_rules(json.loads(path.read_text()))
    return named


def filled(text: str) -> str:
    """Give the page's text with each table renewed."""
    named = tables()
    return PLACE.sub(lambda place: place[1] + named[place["name"]] + place[3], text)


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())  # type: ignore[no-any-return]


def _overhead(parts: dict[str, Any], race: dict[str, Any]) -> str:
    peak = max(parts["memory"]["megabytes"])
    speeds = [f"{value:.0f}" for value in sorted(race["times_faster_process"])]
    imported, all_names = (1000 * parts["import"][key] for key in ("median", "all_names_median"))
    rows = [
        ("signature, memory and decision", f"{parts['gate']['share']:.1%} of a step", "2 %"),
        ("loader and augmentation", f"{parts['loader']['share']:.1%} of an epoch", "5 %"),
        ("`import imprint`", f"{imported:.0f} ms; all its names: {all_names:.0f} ms", "50 ms"),
        ("memory above data and model", f"{peak:.0f} MB", "200 MB"),
        (
            "to 99 % on MNIST, whole processes",
            (
                f"{median(race['times_faster_process']):.0f} times faster "
                f"({', '.join(speeds)} in {len(speeds)} seeds)"
            ),
            "15 times",
        ),
    ]
    lines = ["| what | measured | to reach |", "|---|---|---|"]
    lines += [f"| {what} | {measured} | {goal} |" for what, measured, goal in rows]
    return "\n".join([*lines, "", _stamp(parts), _stamp(race), ""])


def _step_time(figures: dict[str, Any]) -> str:
    lines = ["| network | step | milliseconds | share of a plain step |", "|---|---|---|---|"]
    lines += [
        f"| {network} | {name} | {1000 * step['median_seconds']:.0f} | {step['ratio']:.0%} |"
        for network, steps in figures["networks"].items()
        for name, step in steps.items()
    ]
    return "\n".join([*lines, "", _stamp(figures), ""])


def _skip_rules(figures: dict[str, Any]) -> str:
    lines = [
        (
            "| method | test accuracy | against plain, in points | worst class | images trained "
            "| time saved |"
        ),
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(name, row) for name, row in figures["summary"].items()]
    return "\n".join([*lines, "", _stamp(figures), ""])


def _line(name: str, row: dict[str, float]) -> str:
    low, middle, high = (100 * row[f"accuracy_difference{end}"] for end in ("_low", "", "_high"))
    against = "" if name == "plain" else f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"
    saved = "" if name == "plain" else f"{row['time_saved']:.0%}"
    return (
        f"| {name} | {row['accuracy_mean']:.2%} | {against} | {row['worst_class_mean']:.1%} "
        f"| {row['images_trained_mean']:,.0f} | {saved} |"
    )


def _stamp(figures: dict[str, Any]) -> str:
    machine, versions = figures["machine"], figures["versions"]
    gpu = machine["gpu"] or "no GPU"
    return (
        f"`{figures['command']}`, {figures['date']}, {machine['processor']}, "
        f"{machine['cores']} threads, {gpu}, torch {versions['torch']}.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
