"""`imprint reproduce`: repeat the paper's experiments, and judge its claims."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.terminal import bare_table, command_line, print_paths
from imprint.errors import InvalidValueError
from imprint.report import CLAIM_COLUMNS, claim_lines
from imprint.reproduce import EXPERIMENTS
from imprint.reproduce import reproduce as run_experiments
from imprint.runs import read_json

__all__ = ["reproduce"]

_what = partial(typer.Option, rich_help_panel="What to repeat")


def reproduce(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Of {', '.join(EXPERIMENTS)}; or all, which leaves out the last three.",
            show_default="all",
        ),
    ] = None,
    *,
    seeds: Annotated[
        int | None, _what(help="Of each experiment.", show_default="each one's own, 3 or 10")
    ] = None,
    workers: Annotated[
        int | None, options.where(help="Processes at once.", show_default="one a core")
    ] = None,
    out: options.Out = None,
    resume: Annotated[
        bool, options.where("--resume", help="Go on in --out; it may be asked for more.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Repeat the paper's experiments, and say of each claim whether it holds."""
    if resume and out is None:
        raise InvalidValueError("resume: expected --out with the folder to go on in, got none")
    folder = out or new_folder("reproduce")
    stored = _stored(folder) if resume else {}
    result = run_experiments(
        experiments or stored.get("experiments", ["all"]),
        out=folder,
        seeds=stored.get("seeds") if seeds is None else seeds,
        workers=_cores() if workers is None else workers,
        resume=resume,
        on_cell=_Lines(),
        note={"command_line": command_line()},
    )
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(result, folder)


def _stored(folder: Path) -> dict[str, Any]:
    """What was asked of the reproduction that is to be resumed; what is none is told later."""
    told = folder / "config.json"
    return read_json(told) if told.is_file() else {}


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Lines:
    """Prints a line for each cell that is done, on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._started = time.perf_counter()

    def __call__(self, name: str, done: int, total: int) -> None:
        so_far = time.perf_counter() - self._started
        self._console.print(f"{done:4} of {total}  {name:44} ({so_far:.0f} s)", markup=False)


def _show(result: dict[str, Any], folder: Path) -> None:
    console = Console(highlight=False)
    for finding in result["findings"]:
        console.print(f"\n{finding['title']}", style="bold", markup=False)
        if finding["claims"]:
            console.print(_table(finding))
        else:
            console.print(finding["answer"], markup=False)
    print_paths(console, folder)


def _table(finding: dict[str, Any]) -> Table:
    table = bare_table()
    for name in CLAIM_COLUMNS:
        table.add_column(name, ratio=3 if name == "claim" else 2)
    for line in claim_lines(finding):
        table.add_row(*map(Text, line))  # no claim is markup
    return table
