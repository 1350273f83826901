"""Means and intervals over seeds, paired against plain training."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

__all__ = ["interval", "summarise"]

T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145),
)
"""Student's t of a two-sided 95 % interval, by degrees of freedom from 1; then the normal's."""

Row = Mapping[str, Any]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Give a mean with its 95 % interval.

    Args:
        values: one of each seed.

    Returns:
        mean, low and high; NaN for low and high of a single value.

    Source: Student's t (1908).

    Examples:
        >>> interval([1.0, 2.0, 3.0])  # 2 ± 4.30 / √3
        (2.0, -0.484..., 4.484...)
    """
    middle = mean(values)
    if len(values) < 2:
        return middle, float("nan"), float("nan")
    t = T_95[len(values) - 2] if len(values) - 2 < len(T_95) else 1.96
    half = t * stdev(values) / len(values) ** 0.5
    return middle, middle - half, middle + half


def summarise(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Sum up the rows of each method and keep ratio, against `plain` of the same seeds.

    Args:
        rows: of runs: `method, keep, seed, accuracy, worst_class, seconds`.

    Returns:
        One row a method and keep, in the order in which they first come.

    Examples:
        >>> plain = {"method": "plain", "keep": None, "seed": 0, "worst_class": 0.5}
        >>> fast = plain | {"method": "random", "keep": 0.5, "accuracy": 0.8, "seconds": 6.0}
        >>> summary = summarise([plain | {"accuracy": 0.9, "seconds": 10.0}, fast])
        >>> summary[1]["time_saved"], round(summary[1]["accuracy_difference"], 2)
        (0.4, -0.1)
    """
    groups: dict[tuple[str, float | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["keep"]), []).append(row)
    plain = {row["seed"]: row for row in groups.get(("plain", None), [])}
    return [
        {"method": method, "keep": keep, "seeds": len(group), **_summary(group, plain)}
        for (method, keep), group in groups.items()
    ]


def _summary(rows: list[Row], plain: Mapping[int, Row]) -> dict[str, Any]:
    pairs = [(row, plain[row["seed"]]) for row in rows if row["seed"] in plain]
    names = ("accuracy_difference", "accuracy_difference_low", "accuracy_difference_high")
    differences = interval([row["accuracy"] - base["accuracy"] for row, base in pairs])
    accuracy = interval([row["accuracy"] for row in rows])
    return {
        **dict(zip(("accuracy_mean", "accuracy_low", "accuracy_high"), accuracy, strict=True)),
        "worst_class_mean": mean(row["worst_class"] for row in rows),
        "seconds_mean": mean(row["seconds"] for row in rows),
        "time_saved": 1 - mean(row["seconds"] / base["seconds"] for row, base in pairs),
        **dict(zip(names, differences, strict=True)),
    }
