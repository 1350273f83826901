"""`imprint bench exits`: ways to answer early side by side."""

import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.markup import escape

from imprint.benchmarking import EXIT_METHODS, bench_exits
from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.networks import check_alike
from imprint.cli.run_data import load_as, warn_of_other_images
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.counts import check_count
from imprint.data import drawn_groups, normalise
from imprint.errors import InvalidValueError
from imprint.report import BENCH_EXIT_COLUMNS, bench_exit_lines, bench_exits_report
from imprint.runs import check_vacant, claim, write_json, write_text
from imprint.shares import check_share
from imprint.taps import channels_last
from imprint.training import Trained, load_trained
from imprint.types import ImageSet

__all__ = ["exits"]

_methods = partial(typer.Option, rich_help_panel="What to set side by side")

Pairs = list[tuple[torch.Tensor, torch.Tensor]]


def exits(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run of train.")],
    data: options.Data,
    *,
    methods: Annotated[str, _methods(help=f"Of {', '.join(EXIT_METHODS)}; or all.")] = "all",
    layer: Annotated[
        list[str] | None,
        _methods(
            help="Where rows may leave; several times for more.",
            show_default="looks for layers",
        ),
    ] = None,
    smaller: Annotated[
        list[Path] | None,
        _methods(help="Runs of smaller networks on the same data; several times for more."),
    ] = None,
    max_extra_error: Annotated[
        float, _methods(help="Most by which the error may grow, on images that tune.")
    ] = 0.005,
    batch_size: Annotated[int, _methods(help="Images that run together.")] = 256,
    limit: Annotated[
        int, _methods(help="Training images that methods learn from, at most.")
    ] = 20_000,
    seed: Annotated[int, _methods(help="Of how the held-out images are shared out.")] = 0,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Set ways to answer early side by side: accuracy against time."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        result, folder = _run(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(result, folder)


def _run(given: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Read run and data, set the methods side by side, write all files."""
    names = _names(given["methods"])
    for name in ("batch_size", "limit"):
        check_count(name, given[name], 2)
    check_count("seed", given["seed"], 0)
    check_share("max_extra_error", given["max_extra_error"])
    folder = given["out"] or new_folder("bench-exits")
    check_vacant(folder)
    trained = load_trained(given["run"])
    smaller = _smaller(given["smaller"] or [], trained)
    splits = load_as(str(given["run"]), trained, given["data"])
    warn_of_other_images(trained, str(given["run"]), splits)
    tuning, measuring = _halves(splits.test, given["seed"])
    fitting = torch.linspace(0, len(splits.train) - 1, min(given["limit"], len(splits.train)))
    console = Console(stderr=True, highlight=False)
    result = bench_exits(
        channels_last(trained.model),
        _batches(splits.train, fitting.round().long(), trained, given["batch_size"]),
        _batches(splits.test, tuning, trained, given["batch_size"]),
        _batches(splits.test, measuring, trained, given["batch_size"]),
        methods=names,
        layers=given["layer"] or None,
        smaller=smaller,
        max_extra_error=given["max_extra_error"],
        on_stage=console.print,
    )
    command = command_line()
    asked = {key: given[key] for key in ("data", "batch_size", "limit", "seed")}
    told = {"command": "bench exits", "run": str(given["run"]), **asked}
    write_json(claim(folder) / "config.json", {**told, "command_line": command})
    result = {**told, **result}
    write_json(folder / "result.json", result)
    write_text(folder / "report.html", bench_exits_report(result, command))
    return result, folder


def _smaller(runs: list[Path], trained: Trained) -> dict[str, torch.nn.Module]:
    """The smaller networks by the names of their folders, which no other row may have."""
    names = [run.resolve().name for run in runs]
    for name in names:
        if names.count(name) > 1 or name in EXIT_METHODS:
            raise InvalidValueError(f"smaller: expected folders of different names, got {name!r}")
    return {name: _beside(run, trained) for name, run in zip(names, runs, strict=True)}


def _beside(run: Path, trained: Trained) -> torch.nn.Module:
    """A smaller network, checked to take the same images."""
    own = load_trained(run)
    check_alike(own, run, trained, "smaller")
    return channels_last(own.model)


def _names(text: str) -> tuple[str, ...]:
    """The methods that are meant, each once."""
    names = tuple(dict.fromkeys(text.replace(",", " ").split()))
    unknown = [name for name in names if name not in (*EXIT_METHODS, "all")]
    if unknown or not names:
        got = repr(unknown[0]) if unknown else "none"
        raise InvalidValueError(f"methods: expected {', '.join(EXIT_METHODS)}; got {got}")
    return tuple(EXIT_METHODS) if "all" in names else names


def _halves(held: ImageSet, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that tune and rows that measure, in an order that was drawn; tracks stay whole."""
    order = torch.randperm(len(held), generator=torch.Generator().manual_seed(seed))
    tuning = drawn_groups(len(held), held.groups, share=0.5, seed=seed)[order]
    return order[tuning], order[~tuning]


def _batches(part: ImageSet, rows: torch.Tensor, trained: Trained, batch_size: int) -> Pairs:
    """Images of these rows, as the network takes them."""
    return [
        (normalise(part.images[some], trained.normalisation, channels_last=True), part.labels[some])
        for some in torch.split(rows, batch_size)
    ]


def _show(result: dict[str, Any], folder: Path) -> None:
    console = result_console()
    console.print(f"full network: {100 * result['full_accuracy']:.2f} %")
    table = bare_table()
    for name in BENCH_EXIT_COLUMNS:
        right = name in ("time", "predicted", "accuracy", "extra error")
        table.add_column(name, justify="right" if right else "left")
    for line in bench_exit_lines(result):
        table.add_row(*map(escape, line))
    console.print(table)
    print_paths(console, folder)
