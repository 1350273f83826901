"""Means and intervals over seeds, paired against plain training."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

__all__ = ["interval", "summarise"]

T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t of a two-sided 95 % interval, by degrees of freedom from 1 to 30."""

CONTROLS = ("random", "matched")
"""Methods that each other one is held to as well, at the same keep ratio."""

Row = Mapping[str, Any]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Give a mean with its 95 % interval.

    Args:
        values: one of each seed.

    Returns:
        mean, low and high; NaN for low and high of a single value, and for all of none.

    Source: Student's t (1908).

    Examples:
        >>> interval([1.0, 2.0, 3.0])  # 2 ± 4.30 / √3
        (2.0, -0.484..., 4.484...)
    """
    middle = mean(values) if values else float("nan")
    if len(values) < 2:
        return middle, float("nan"), float("nan")
    freedom = len(values) - 1
    t = T_95[freedom - 1] if freedom <= len(T_95) else 1.96 + 2.4 / freedom
    half = t * stdev(values) / len(values) ** 0.5
    return middle, middle - half, middle + half


def summarise(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Sum up the rows of each method and keep ratio, against `plain` and the controls.

    All differences are paired by seed. A run that diverged counts as such and for nothing else.

    Args:
        rows: of runs: `method, keep, seed, accuracy, worst_class, seconds`.

    Returns:
        One row a method and keep, in the order in which they first come: means, the difference to
        `plain` with its interval, and likewise `to_random` and `to_matched` of the same keep ratio.

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
    done = {key: [r for r in group if r["accuracy"] is not None] for key, group in groups.items()}
    summaries = []
    for (method, keep), group in done.items():
        counts = {"seeds": len(group), "diverged": len(groups[method, keep]) - len(group)}
        summary = {"method": method, "keep": keep} | counts | _means(group)
        summary |= _against(group, done.get(("plain", None), []))
        for control in CONTROLS:
            pairs = _pairs(group, done.get((control, keep), []))
            summary |= _differences(f"to_{control}", pairs if method != control else [])
        summaries.append(summary)
    return summaries


def _means(rows: list[Row]) -> dict[str, float]:
    accuracy = interval([row["accuracy"] for row in rows])
    return {
        **dict(zip(("accuracy_mean", "accuracy_low", "accuracy_high"), accuracy, strict=True)),
        "worst_class_mean": interval([row["worst_class"] for row in rows])[0],
        "seconds_mean": interval([row["seconds"] for row in rows])[0],
    }


def _against(rows: list[Row], plain: list[Row]) -> dict[str, float]:
    pairs = _pairs(rows, plain)
    saved = [1 - row["seconds"] / base["seconds"] for row, base in pairs]
    return {"time_saved": interval(saved)[0]} | _differences("accuracy_difference", pairs)


def _pairs(rows: list[Row], others: list[Row]) -> list[tuple[Row, Row]]:
    by_seed = {row["seed"]: row for row in others}
    return [(row, by_seed[row["seed"]]) for row in rows if row["seed"] in by_seed]


def _differences(name: str, pairs: list[tuple[Row, Row]]) -> dict[str, float]:
    values = interval([row["accuracy"] - other["accuracy"] for row, other in pairs])
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
