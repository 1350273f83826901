"""`imprint bench`: methods side by side; here the skipping methods, with their controls."""

import sys
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from imprint.benchmarking import FROZEN, METHODS, BenchSettings, bench_skip
from imprint.cli import options
from imprint.cli.bench_exits import exits
from imprint.cli.folders import new_folder
from imprint.cli.options import DEFAULTS, settings_of, shares_of
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import load
from imprint.errors import InvalidValueError
from imprint.report import BENCH_COLUMNS, bench_lines, bench_report
from imprint.runs import check_vacant, read_json, write_text

__all__ = ["bench"]

bench = typer.Typer(name="bench", no_args_is_help=True, help="Set methods side by side.")

_methods = partial(typer.Option, rich_help_panel="What to set side by side")


@bench.callback()
def _bench() -> None:
    """Set methods side by side."""


bench.command("exits")(exits)


@bench.command("skip")
def skip(
    context: typer.Context,
    data: options.Data = "mnist",
    *,
    methods: Annotated[
        str, _methods(help=f"Of {', '.join(METHODS)}; or all.")
    ] = "plain,matched,random,imprint",
    keeps: Annotated[str, _methods(help="Shares of the images that are trained.")] = "0.5",
    seeds: Annotated[int, _methods(help="How many, from 0.")] = 5,
    model: options.Model = DEFAULTS.model,
    layer: options.Layer = None,
    test_share: options.TestShare = options.TEST_SHARE,
    image_size: options.ImageSize = None,
    augment: options.Augment = True,
    augmentations: options.Augmentations = None,
    dense_start: options.DenseStart = DEFAULTS.dense_start,
    dense_end: options.DenseEnd = DEFAULTS.dense_end,
    epochs: options.Epochs = DEFAULTS.epochs,
    batch_size: options.BatchSize = DEFAULTS.batch_size,
    batch_shrink: options.BatchShrink = DEFAULTS.batch_shrink,
    freeze_after: options.FreezeAfter = None,
    optimizer: options.Optimizer = DEFAULTS.optimizer,
    lr: options.Rate = None,
    momentum: options.Momentum = DEFAULTS.momentum,
    weight_decay: options.WeightDecay = DEFAULTS.weight_decay,
    schedule: options.Schedule = DEFAULTS.schedule,
    precision: options.Precision = DEFAULTS.precision,
    label_smoothing: options.LabelSmoothing = DEFAULTS.label_smoothing,
    device: options.Device = DEFAULTS.device,
    out: options.Out = None,
    resume: Annotated[
        bool, options.where("--resume", help="Go on in --out; all but --seeds as it was.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Train with several skipping methods in turn: what each saves, and what it costs."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        result, folder = _run(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(result, folder)


def _run(given: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Read the data, train all runs, write the report; the result and its folder."""
    names = given["methods"].replace(",", " ").split()
    base = settings_of(given)
    fitting = [name for name in METHODS if base.freeze_after or name not in FROZEN]
    settings = BenchSettings(
        base=base,
        methods=tuple(fitting if names == ["all"] else names),
        keeps=tuple(shares_of(given["keeps"])),
        seeds=given["seeds"],
    )
    folder = _folder(given["out"], resume=given["resume"])
    reading = {name: given[name] for name in ("test_share", "image_size")}
    result = bench_skip(
        load(given["data"], **reading),
        settings,
        out=folder,
        resume=given["resume"],
        on_run=_Lines(),
        note={**reading, "command_line": command_line()},
    )
    command = read_json(folder / "config.json").get("command_line", "")
    write_text(folder / "report.html", bench_report(result, command))
    return result, folder


def _folder(out: Path | None, *, resume: bool) -> Path:
    if resume and out is None:
        raise InvalidValueError("resume: expected --out with the folder of a benchmark, got none")
    folder = out or new_folder("bench-skip")
    if not resume:
        check_vacant(folder)
    return folder


class _Lines:
    """Prints a line for each run that is done, on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._started = time.perf_counter()

    def __call__(self, row: dict[str, Any]) -> None:
        keep = "" if row["keep"] is None else f"{row['keep']:g}"
        right = "diverged" if row["accuracy"] is None else f"{row['accuracy']:8.2%}"
        so_far = time.perf_counter() - self._started
        self._console.print(
            f"seed {row['seed']}  {row['method']:24} {keep:5} {right} "
            f"{row['seconds']:7.1f} s  ({so_far:.0f} s in all)"
        )


def _show(result: dict[str, Any], folder: Path) -> None:
    console = result_console()
    table = bare_table(gap=1)
    for name in BENCH_COLUMNS:
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for line in bench_lines(result["summary"]):
        table.add_row(*line)
    console.print(table)
    print_paths(console, folder)
