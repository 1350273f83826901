"""The runs of a benchmark summed up over seeds, paired against plain training."""

from collections.abc import Iterable, Mapping
from typing import Any

from imprint.intervals import interval

__all__ = ["summarise"]

CONTROLS = ("random", "matched")
"""Methods that each other one is held to as well, at the same keep ratio."""

Row = Mapping[str, Any]


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
