"""`imprint plan-skip`: predict what skipping would save, and where."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.options import DEFAULTS, settings_of, shares_of
from imprint.cli.terminal import bare_table, command_line
from imprint.data import load
from imprint.runs import check_vacant
from imprint.training import plan_skip as run_planning
from imprint.training.planning import KEEPS

__all__ = ["plan_skip"]

TAKEN_OVER = (
    *("batch_size", "dense_start", "dense_end", "optimizer", "precision", "device", "seed"),
    *("test_share", "image_size", "augmentations"),
)
"""Options that the training which was predicted has too, where they are not the usual ones."""

KEEPS_TEXT = ",".join(map(str, KEEPS))

_what = partial(typer.Option, rich_help_panel="What to predict")


def plan_skip(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help=options.NETWORKS)] = DEFAULTS.model,
    data: options.Data = "mnist",
    *,
    keeps: Annotated[str, _what(help="Keep ratios, with commas between.")] = KEEPS_TEXT,
    layers: Annotated[
        str | None,
        _what(help="Layers, with commas between.", show_default="about a dozen that would do"),
    ] = None,
    keep: Annotated[float, _what(help="The ratio to recommend for.")] = DEFAULTS.keep,
    test_share: options.TestShare = options.TEST_SHARE,
    image_size: options.ImageSize = None,
    augment: options.Augment = True,
    augmentations: options.Augmentations = None,
    epochs: options.Epochs = DEFAULTS.epochs,
    batch_size: options.BatchSize = DEFAULTS.batch_size,
    dense_start: options.DenseStart = DEFAULTS.dense_start,
    dense_end: options.DenseEnd = DEFAULTS.dense_end,
    optimizer: options.Optimizer = DEFAULTS.optimizer,
    precision: options.Precision = DEFAULTS.precision,
    device: options.Device = DEFAULTS.device,
    seed: options.Seed = DEFAULTS.seed,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Predict what skipping would save, and where; nothing is trained."""
    if as_json:
        with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
            folder = _plan(context.params)[1]
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        result, folder = _plan(context.params)
        _show(result, context.params, folder / "result.json")


def _plan(given: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Read the data, measure, predict; the result and its folder."""
    settings, keeps = settings_of(given), shares_of(given["keeps"])
    layers = None if given["layers"] is None else given["layers"].split(",")
    folder = given["out"] or new_folder("plan-skip")
    check_vacant(folder)
    reading = {name: given[name] for name in ("test_share", "image_size")}
    splits = load(given["data"], seed=settings.seed, **reading)
    note = {**reading, "command_line": command_line()}
    return run_planning(splits, settings, keeps=keeps, layers=layers, out=folder, note=note), folder


def _show(result: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Print what is saved at each place, what is recommended, and where the file is."""
    console = Console(highlight=False)
    console.print(_table(result))
    console.print(result["reason"], markup=False)
    if result["recommended"]:
        console.print(f"try: {_command(result, given)}", soft_wrap=True, markup=False)
    console.print(str(path), soft_wrap=True, markup=False)


def _table(result: Mapping[str, Any]) -> Table:
    table = bare_table()
    table.add_column("plan, or gate at", overflow="fold")
    for name in ("before", "own", "frozen", *(f"keep {keep:g}" for keep in result["keeps"])):
        table.add_column(name, justify="right")
    names = ("before_share", "gate_share", "frozen_share")
    costs = {row["layer"]: tuple(row[name] for name in names) for row in result["layers"]}
    for layer, own in {None: (0.0, result["plan_share"], None), **costs}.items():
        saved = [row["time_saved"] for row in result["predictions"] if row["layer"] == layer]
        shares = ["" if share is None else f"{share:.0%}" for share in (*own, *saved)]
        table.add_row("plan" if layer is None else layer, *shares)
    return table


def _command(result: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The command that measures what was recommended, accuracy included, as it was predicted."""
    chosen = result["recommended"]
    usual = {**asdict(DEFAULTS), "test_share": options.TEST_SHARE, "image_size": None}
    unusual = {name: given[name] for name in TAKEN_OVER if given[name] != usual[name]}
    asked = {
        "model": result["model"],
        "tier": chosen["tier"],
        **({} if chosen["layer"] is None else {"layer": chosen["layer"]}),
        "keep": f"{chosen['keep']:g}",
        "epochs": result["epochs"],
        **unusual,
    }
    words = [(f"--{name.replace('_', '-')}", str(value)) for name, value in asked.items()]
    plain = [] if given["augment"] else ["--no-augment"]
    return shlex.join(["imprint", "train", given["data"], "--compare", *chain(*words), *plain])
