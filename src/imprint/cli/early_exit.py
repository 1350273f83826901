"""`imprint early-exit`: calibrate early exits of a run's network, and measure them."""

import sys
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from torch import nn

from imprint.answering import EarlyExitResult, ExitSettings, answer_early
from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.networks import check_alike
from imprint.cli.run_data import load_as, split_of, warn_of_other_images
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.early_exit.extra import special_functions
from imprint.errors import InvalidValueError
from imprint.hashes import hash_tensors
from imprint.report import EXIT_COLUMNS, exit_findings, exit_lines
from imprint.runs import check_vacant, claim, write_json
from imprint.taps import channels_last
from imprint.training import Trained, find_device, load_trained

__all__ = ["early_exit"]

USUAL = ExitSettings()

_what = partial(typer.Option, rich_help_panel="What to promise")
_how = partial(typer.Option, rich_help_panel="How to answer early")


def early_exit(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run of train.")],
    data: options.Data,
    *,
    max_extra_error: Annotated[
        float, _what(help="Most by which the error may grow over the full network's.")
    ] = USUAL.max_extra_error,
    confidence: Annotated[float, _what(help="With which that holds.")] = USUAL.confidence,
    layer: Annotated[
        list[str] | None,
        _how(
            help="Where rows may leave; several times for more.",
            show_default="looks for layers that pay",
        ),
    ] = None,
    first: Annotated[
        Path | None,
        _how(
            help="The folder of a smaller network's run, to ask before RUN's.", show_default="none"
        ),
    ] = None,
    head: Annotated[str, _how(help="auto, prototype, probe or mlp.")] = USUAL.head,
    batch_size: Annotated[
        int, _how(help="Images that run together, for which time is saved.")
    ] = USUAL.batch_size,
    max_overhead: Annotated[
        float | None,
        _how(
            help="Share of the time that exits may cost where none answers.",
            show_default="no limit",
        ),
    ] = USUAL.max_overhead,
    calibration_share: Annotated[
        float, _how(help="Share of the held-out images that calibrate; the rest measure.")
    ] = USUAL.calibration_share,
    image_size: Annotated[
        int | None,
        _how(help="Side in pixels that images are brought to.", show_default="the run's"),
    ] = None,
    seed: Annotated[int, _how(help="Of how the held-out images are shared out.")] = USUAL.seed,
    device: Annotated[str, _how(help="auto, cpu, cuda or mps.")] = "auto",
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Answer what a network knows before its last layer, with a promise on accuracy."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        found, folder = _early_exit(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(found, folder)


def _early_exit(given: dict[str, Any]) -> tuple[EarlyExitResult, Path]:
    """Read run and data, calibrate, measure, write all files; what it came to and its folder."""
    names = {field.name for field in fields(ExitSettings)} & given.keys()
    settings = ExitSettings(
        layers=tuple(given["layer"] or ()), **{name: given[name] for name in names}
    )
    special_functions()  # before long work, where the extra is missing
    folder = given["out"] or new_folder("early-exit")
    check_vacant(folder)
    device = find_device(given["device"])
    run = str(given["run"])
    trained = load_trained(Path(run))
    weights = hash_tensors(trained.model.state_dict())
    first = _first(given["first"], trained, run, given["data"])
    splits = load_as(run, trained, given["data"], given["image_size"])
    warn_of_other_images(trained, run, splits)
    console = Console(stderr=True, highlight=False)
    found = answer_early(
        channels_last(trained.model.to(device)),
        splits.train,
        splits.test,
        trained.normalisation,
        first=None if first is None else channels_last(first.to(device)),
        settings=settings,
        on_stage=console.print,
    )
    command = command_line()
    asked = {key: given[key] for key in ("data", "image_size", "device")}
    asked |= _first_note(given["first"], found.exits.first)
    config = {"command": "early-exit", "run": run, "weights": weights, **asked, **asdict(settings)}
    write_json(claim(folder) / "config.json", {**config, "command_line": command})
    found.write(folder, command)
    return found, folder


def _first(folder: Path | None, trained: Trained, run: str, data: str) -> nn.Module | None:
    """The network that is asked first, if it takes the same images and has not seen others."""
    if folder is None:
        return None
    if folder.resolve() == Path(run).resolve():
        raise InvalidValueError(f"first: expected another run than {run}, got it")
    first = load_trained(folder)
    check_alike(first, folder, trained, "first")
    if split_of(str(folder), data) != split_of(run, data):
        expected = f"a run that held out the same images as {run} (--seed, --test-share)"
        raise InvalidValueError(f"first: expected {expected}; {folder} held out others")
    return first.model


def _first_note(folder: Path | None, taken: nn.Module | None) -> dict[str, str | None]:
    """Where the network lies that is asked first, and which it is; without weights it is none."""
    return {
        "first": None if folder is None else str(folder.resolve()),
        "first_weights": None if taken is None else hash_tensors(taken.state_dict()),
    }


def _show(found: EarlyExitResult, folder: Path) -> None:
    """Print where answers come from, what was found, and where the files are."""
    console = result_console()
    table = bare_table()
    for k, name in enumerate(EXIT_COLUMNS):
        table.add_column(name, justify="right" if k else "left")
    for line in exit_lines(found.result):
        table.add_row(*map(escape, line))
    console.print(table)
    for sentence in exit_findings(found.result):
        console.print(sentence, markup=False)
    print_paths(console, folder, ("report.html", "exits.safetensors", "result.json"))
