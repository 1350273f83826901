"""`imprint bench skip`: skipping methods side by side, with their controls."""

import shlex
import sys
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from imprint.benchmarking import METHODS, BenchSettings, bench_skip
from imprint.cli.folders import new_folder
from imprint.data import load
from imprint.errors import InvalidValueError
from imprint.report import BENCH_COLUMNS, bench_lines, bench_report
from imprint.runs import check_vacant, read_json, write_text
from imprint.training import TrainSettings

__all__ = ["bench"]

DEFAULTS = TrainSettings()

bench = typer.Typer(name="bench", no_args_is_help=True, help="Set methods side by side.")

_what = partial(typer.Option, rich_help_panel="What to set side by side")
_how = partial(typer.Option, rich_help_panel="How to train")
_where = partial(typer.Option, rich_help_panel="Where to write")


@bench.callback()
def _bench() -> None:
    """Set methods side by side."""


@bench.command("skip")
def skip(
    data: Annotated[
        str,
        typer.Argument(help="A known set (mnist, fashion-mnist, cifar10), a folder, or a file."),
    ] = "mnist",
    *,
    methods: Annotated[
        str, _what(help=f"Of {', '.join(METHODS)}; or all.")
    ] = "plain,matched,random,imprint",
    keeps: Annotated[str, _what(help="Shares of the images that are trained.")] = "0.5",
    seeds: Annotated[int, _what(help="How many, from 0.")] = 5,
    model: Annotated[
        str,
        _how(help="conv4, paper, resnet8, resnet20, resnet18, module:factory or file.py:factory."),
    ] = DEFAULTS.model,
    layer: Annotated[
        str | None, _how(help="Where a gate is.", show_default="a built-in network's own")
    ] = None,
    epochs: Annotated[int, _how(help="Of plain training.")] = DEFAULTS.epochs,
    batch_size: Annotated[int, _how(help="Images a step.")] = DEFAULTS.batch_size,
    optimizer: Annotated[str, _how(help="sgd or adamw.")] = DEFAULTS.optimizer,
    lr: Annotated[
        float | None,
        _how(help="Highest learning rate.", show_default="0.2 for sgd, 0.005 for adamw"),
    ] = None,
    weight_decay: Annotated[float, _how(help="On weights.")] = DEFAULTS.weight_decay,
    schedule: Annotated[str, _how(help="one-cycle, cosine, step or constant.")] = DEFAULTS.schedule,
    precision: Annotated[str, _how(help="32, bf16 or 16.")] = DEFAULTS.precision,
    augment: Annotated[bool, _how(help="Random crops and flips, as fit the set.")] = True,
    dense_start: Annotated[
        float, _how(help="Share of epochs at the start without skipping.")
    ] = DEFAULTS.dense_start,
    device: Annotated[str, _how(help="auto, cpu, cuda or mps.")] = DEFAULTS.device,
    out: Annotated[
        Path | None, _where(help="A new folder.", show_default="runs/bench-skip-<time>")
    ] = None,
    resume: Annotated[
        bool, _where("--resume", help="Continue what was stopped in --out; seeds may grow.")
    ] = False,
    as_json: Annotated[bool, _where("--json", help="Print result.json alone on stdout.")] = False,
) -> None:
    """Train with several skipping methods in turn: what each saves, and what it costs."""
    base = TrainSettings(
        model=model,
        layer=layer,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,  # type: ignore[arg-type]
        lr=lr,
        weight_decay=weight_decay,
        schedule=schedule,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        augment=augment,
        dense_start=dense_start,
        device=device,  # type: ignore[arg-type]
    )
    names = tuple(METHODS) if methods == "all" else tuple(_split(methods))
    settings = BenchSettings(
        base=base, methods=names, keeps=tuple(map(_share, _split(keeps))), seeds=seeds
    )
    if resume and out is None:
        raise InvalidValueError("resume: expected --out with the folder of a benchmark, got none")
    folder = out or new_folder("bench-skip")
    if not resume:
        check_vacant(folder)
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        result = _run(data, settings, folder, resume=resume)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(result, folder)


def _run(data: str, settings: BenchSettings, folder: Path, *, resume: bool) -> dict[str, Any]:
    """Read the data, train all runs, write the report."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    started = time.perf_counter()

    def show(row: dict[str, Any]) -> None:
        keep = "" if row["keep"] is None else f"{row['keep']:g}"
        console.print(
            f"seed {row['seed']}  {row['method']:24} {keep:5} {row['accuracy']:7.2%}  "
            f"{row['seconds']:7.1f} s  ({time.perf_counter() - started:.0f} s in all)"
        )

    result = bench_skip(
        load(data),
        settings,
        out=folder,
        resume=resume,
        on_run=show,
        note={"command_line": shlex.join(["imprint", *sys.argv[1:]])},
    )
    command = read_json(folder / "config.json").get("command_line", "")
    write_text(folder / "report.html", bench_report(result, command))
    return result


def _split(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValueError(f"keeps: expected shares such as 0.5,0.35, got {text!r}") from None


def _show(result: dict[str, Any], folder: Path) -> None:
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in BENCH_COLUMNS:
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for line in bench_lines(result["summary"]):
        table.add_row(*line)
    console.print(table)
    for name in ("report.html", "result.json"):
        console.print(str(folder / name), soft_wrap=True, markup=False)
