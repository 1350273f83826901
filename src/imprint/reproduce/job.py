"""A reproduction: experiments by name, their work done and kept, one result and one report."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imprint.counts import check_count
from imprint.errors import InvalidValueError
from imprint.report import reproduce_report
from imprint.reproduce.cells import cpu_seconds, run_cells
from imprint.reproduce.findings import Experiment, Finding
from imprint.runs import claim, read_json, write_json, write_text
from imprint.training.results import versions

__all__ = ["EXPERIMENTS", "experiments_of", "reproduce"]

EXPERIMENTS = {
    "base": "base_network",
    "figure-1": "figure_1",
    "figure-2": "figure_2",
    "figure-3": "figure_3",
    "figure-4": "figure_4",
    "figure-5": "figure_5",
    "figure-6": "figure_6",
    "figure-7": "figure_7",
    "figure-8": "figure_8",
    "figure-9": "figure_9",
    "figure-10": "figure_10",
    "overfitting": "overfitting",
    "colour": "colour",
    "deeper": "deeper",
}
"""Each experiment and its file; a new one is registered here."""

APART = ("overfitting", "colour", "deeper")
"""What `all` leaves out: what the paper has no figure of, or no data."""


def experiments_of(names: Sequence[str]) -> list[str]:
    """Resolve what a user asks for.

    Args:
        names: of experiments, or `all`.

    Returns:
        The experiments, in the paper's order.

    Raises:
        InvalidValueError: for an unknown name, or none.

    Examples:
        >>> experiments_of(["figure-8", "figure-7"])
        ['figure-7', 'figure-8']
        >>> experiments_of(["figure-11"])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: experiment: expected all, base, ... got 'figure-11'
    """
    expected = ", ".join(("all", *EXPERIMENTS))
    for name in names:
        if name not in ("all", *EXPERIMENTS):
            raise InvalidValueError(f"experiment: expected {expected}; got {name!r}")
    asked = set(names) | ({*EXPERIMENTS} - {*APART} if "all" in names else set())
    if not asked:
        raise InvalidValueError(f"experiment: expected {expected}; got none")
    return [name for name in EXPERIMENTS if name in asked]


def reproduce(
    names: Sequence[str],
    *,
    out: Path,
    seeds: int | None = None,
    workers: int = 1,
    resume: bool = False,
    on_cell: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Repeat experiments of the paper, and judge its claims.

    Args:
        names: of `EXPERIMENTS`, or `all`.
        out: a new or empty folder for `config.json`, `result.json`, `report.html` and the cells.
        seeds: of each experiment; None takes each one's own number, 3 or 10.
        workers: processes at once, each of one thread.
        resume: go on in `out`: cells that are done stay so, its experiments stay, seeds may grow.
        on_cell: called with the name of each cell that is done, how many are, and of how many.
        note: what else `config.json` is to hold.

    Returns:
        What `result.json` holds: `findings`, each with its claims and tables.

    Raises:
        ImprintError: for unknown names, numbers out of range, or a folder that will not do.

    Examples:
        >>> reproduce(["figure-7"], out=Path("runs/paper"), seeds=0)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: seeds: expected at least 1, got 0
    """
    chosen = experiments_of(names)
    check_count("seeds", 1 if seeds is None else seeds)
    check_count("workers", workers)
    if not resume:
        claim(out)
    else:
        chosen = experiments_of([*_held(out), *chosen])
    asked = {"experiments": chosen, "seeds": seeds}
    write_json(out / "config.json", {"command": "reproduce", **asked, **note})
    (out / "cells").mkdir(exist_ok=True)
    experiments = {name: _experiment(name) for name in chosen}
    counts = {name: seeds or own.seeds for name, own in experiments.items()}
    cells = [c for name, own in experiments.items() for c in own.cells(counts[name])]
    results = run_cells(cells, out / "cells", workers=workers, on_cell=on_cell)
    findings = [own.finding(results, counts[name]) for name, own in experiments.items()]
    return _write(out, findings, counts, cpu_seconds(cells, out / "cells"))


def _held(folder: Path) -> list[str]:
    """The experiments of a reproduction; another run's settings would be written over."""
    told = folder / "config.json"
    config = read_json(told) if told.is_file() else {}
    if config.get("command") != "reproduce":
        got = f"{folder}, a run of {config['command']}" if "command" in config else folder
        raise InvalidValueError(f"resume: expected the folder of a reproduction, got {got}")
    return list(config.get("experiments", []))


def _experiment(name: str) -> Experiment:
    experiment: Experiment = import_module(f"imprint.reproduce.{EXPERIMENTS[name]}").EXPERIMENT
    return experiment


def _write(
    out: Path, findings: Sequence[Finding], counts: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    result = {
        "command": "reproduce",
        "seeds": dict(counts),
        "cpu_seconds": round(seconds),
        "findings": [finding.as_dict() for finding in findings],
        "versions": versions(),
    }
    write_json(out / "result.json", result)
    command = read_json(out / "config.json").get("command_line", "")
    looks = {finding.name: finding.look for finding in findings}
    write_text(out / "report.html", reproduce_report(result, looks, command))
    return result
