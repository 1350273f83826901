"""The tables of what skipping saves, from the committed results."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

__all__ = ["skip_tables"]

Stamp = Callable[[dict[str, Any]], str]
Markdown = Callable[[Sequence[str], Sequence[Sequence[str]]], str]

Table = tuple[Sequence[str], list[Sequence[str]], str]
"""Its head, its lines and what they are."""

SUMMARISED = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar10-short": "CIFAR-10",
    "music": "music, by collection",
}
"""Measurements of `bench_skip.py`, the most known data first, and what to call these."""

TARGET = 0.993
"""Test accuracy on MNIST."""


def skip_tables(results: Path, markdown: Markdown, stamp: Stamp) -> dict[str, str]:
    """Give each table in Markdown, by its name."""
    paths = [path for kind in ("skip", "ways") for path in sorted(results.glob(f"{kind}_*.json"))]
    found = {path.stem: json.loads(path.read_text()) for path in (*paths, results / "cover.json")}

    def told(table: Table, figures: dict[str, Any]) -> str:
        head, lines, what = table
        return "\n\n".join([markdown(head, lines), what, stamp(figures).rstrip(), ""])

    makers = {"skip": _methods, "ways": _ways, "cover": _cover}
    named = {
        re.sub(r"[^a-z0-9]+", "-", name): told(makers[name.partition("_")[0]](own), own)
        for name, own in found.items()
    }
    mnist = found["skip_mnist"]
    named["mnist-target"] = told(_to_accuracy(mnist), mnist)
    named["skip-summary"] = markdown(*_summary(found)) + "\n"
    return named


def _summary(found: dict[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Our plans on each data set, beside what costs as little."""
    head = (
        *("data, network, epochs", "plan", "time saved", "points against plain training"),
        *("the same share by chance", "plain training shortened to fit"),
    )
    return head, [
        line for name, data in SUMMARISED.items() for line in _plans(found[f"skip_{name}"], data)
    ]


def _plans(figures: dict[str, Any], data: str) -> list[Sequence[str]]:
    by_method = {row["method"]: row for row in figures["summary"]}
    what = f"{data}, {figures['model']}, {figures['epochs']}"
    controls = [_points(by_method[name], "accuracy_difference") for name in ("random", "matched")]
    lines = []
    for method, beside in (("imprint", controls), ("imprint-auto", ["", ""])):
        if row := by_method.get(method):
            plan = "cover 0.96" if row["keep"] is None else f"keep {row['keep']}"
            points = _points(row, "accuracy_difference")
            lines.append((what, plan, f"{row['time_saved']:.0%}", points, *beside))
    return lines


def _methods(figures: dict[str, Any]) -> Table:
    head = (
        *("method", "keep", "test accuracy", "against plain, in points", "against random"),
        *("worst class", "seconds", "images trained", "time saved"),
    )
    seeds = len({row["seed"] for row in figures["rows"]})
    what = (
        f"{figures['model']}, {figures['epochs']} epochs, batches of {figures['batch_size']}, "
        f"{seeds} seeds."
    )
    return head, [_method(row, figures["rows"]) for row in figures["summary"]], what


def _method(row: dict[str, Any], rows: list[dict[str, Any]]) -> Sequence[str]:
    plain = row["method"] == "plain"
    own = [r for r in rows if (r["method"], r["keep"]) == (row["method"], row["keep"])]
    return (
        row["method"],
        "" if row["keep"] is None else str(row["keep"]),
        f"{row['accuracy_mean']:.2%}",
        "" if plain else _points(row, "accuracy_difference"),
        _points(row, "to_random"),
        f"{row['worst_class_mean']:.1%}",
        f"{row['seconds_mean']:.0f}",
        f"{mean(r['images_backwarded'] for r in own):,.0f}",
        "" if plain else f"{row['time_saved']:.0%}",
    )


def _points(row: dict[str, Any], name: str) -> str:
    """A difference in points with its interval; nothing where there is none."""
    middle, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if middle is None:
        return ""
    return f"{100 * middle:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _to_accuracy(figures: dict[str, Any]) -> Table:
    """How soon each method reached an accuracy, in shares of plain's seconds of the same seed."""
    runs: dict[tuple[str, float | None], dict[int, float | None]] = {}
    for row in figures["rows"]:
        runs.setdefault((row["method"], row["keep"]), {})[row["seed"]] = _reached(row)
    plain = runs["plain", None]
    lines = []
    for (method, keep), taken in runs.items():
        seconds = [value for value in taken.values() if value is not None]
        shares = [value / plain[seed] for seed, value in taken.items() if value and plain[seed]]
        span = [f"{of(shares):.0%}" for of in (mean, min, max)] if shares else []
        lines.append(
            (
                method,
                "" if keep is None else str(keep),
                f"{len(seconds)} of {len(taken)}",
                f"{mean(seconds):.0f}" if seconds else "",
                f"{span[0]} ({span[1]} to {span[2]})" if span else "",
            )
        )
    head = ("method", "keep", f"seeds that reached {TARGET:.1%}", "seconds", "share of plain's")
    return head, lines, "After each epoch, of those seeds that reached it: mean, least to most."


def _reached(row: dict[str, Any]) -> float | None:
    """Seconds of training until an epoch's test accuracy is the target; None where never."""
    seconds = 0.0
    for accuracy, took in zip(row["accuracies"], row["epoch_seconds"], strict=True):
        seconds += took
        if accuracy >= TARGET:
            return seconds
    return None


def _cover(figures: dict[str, Any]) -> Table:
    lines = [
        (
            f"{name}, {figures['epochs'][name]} epochs",
            row["way"],
            f"{mean(row['share']):.0%}",
            f"{mean(row['time_saved']):.0%}",
            _spread([100 * value for value in row["difference"]]),
        )
        for name, rows in figures["sets"].items()
        for row in rows[1:]  # the first is plain
    ]
    head = ("data", "way", "images trained", "time saved", "against plain, in points")
    return head, list(lines), f"conv4, {figures['seeds']} seeds: mean, least to most."


def _ways(figures: dict[str, Any]) -> Table:
    rows, lines = figures["rows"], []
    start = [row for row in rows if row["way"] == rows[0]["way"]]
    for name in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == name]
        more = [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(own, start, strict=True)]
        seconds, accuracy = (mean(row[key] for row in own) for key in ("seconds", "accuracy"))
        beside = "" if own == start else _spread(more)
        lines.append((name, f"{seconds:.0f}", f"{accuracy:.2%}", beside))
    seeds = len({row["seed"] for row in rows})
    what = ", ".join([figures["data"], figures["model"], f"keep {figures['keep']}"])
    head = ("way", "seconds", "test accuracy", "against the first, in points")
    return head, list(lines), f"{what}, {seeds} seeds: mean, least to most."


def _spread(points: list[float]) -> str:
    return f"{mean(points):+.2f} ({min(points):+.2f} to {max(points):+.2f})"
