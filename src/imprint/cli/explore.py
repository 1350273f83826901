"""`imprint explore`: look at a data set."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imprint.cli import audio_options, options
from imprint.cli.audio_options import audio_note
from imprint.cli.folders import new_folder
from imprint.cli.networks import check_shape, network_of
from imprint.cli.run_data import audio_as
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import normalisation, survey
from imprint.errors import InvalidValueError
from imprint.exploration import Exploration, ExploreSettings, check_extras
from imprint.exploration import explore as run_exploration
from imprint.report import explore_findings
from imprint.runs import check_vacant, claim, write_json
from imprint.types import ImageSet

__all__ = ["explore"]

USUAL = ExploreSettings()

_look = partial(typer.Option, rich_help_panel="What to look with")
_labels = partial(typer.Option, rich_help_panel="Labels that look wrong")


def explore(
    context: typer.Context,
    data: options.Data = "mnist",
    *,
    model: Annotated[
        str | None,
        _look(
            help="A run's folder, module:factory or file.py:factory; look by its signatures.",
            show_default="pixels",
        ),
    ] = None,
    layer: Annotated[
        str | None, _look(help="Where signatures are taken.", show_default="the run's own")
    ] = None,
    embedding: Annotated[
        str, _look("--map", help="Draw a map of the data: none, pca or tsne.")
    ] = USUAL.embedding,
    image_size: options.ImageSize = None,
    seconds: audio_options.Seconds = None,
    excerpts: audio_options.Excerpts = None,
    sample_rate: audio_options.SampleRate = None,
    mels: audio_options.Mels = None,
    label: audio_options.Label = None,
    judge: Annotated[
        str, _labels(help="The network that judges labels, as for train; none leaves them.")
    ] = str(USUAL.judge),
    folds: Annotated[int, _labels(help="Parts that it is trained without, in turn.")] = USUAL.folds,
    epochs: Annotated[int, _labels(help="Of each of its trainings.")] = USUAL.epochs,
    batch_size: Annotated[int, _labels(help="Images a step of these.")] = USUAL.batch_size,
    device: options.Device = USUAL.device,
    seed: Annotated[int, options.how(help="Of all that is drawn.")] = USUAL.seed,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Look at a data set: centroids, outliers, duplicates, leaks, wrong labels, a map."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        exploration, folder = _explore(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(exploration, folder)


def _explore(given: dict[str, Any]) -> tuple[Exploration, Path]:
    """Read the data, look, write all files; what was found and its folder."""
    settings = ExploreSettings(
        embedding=given["embedding"],
        judge=None if given["judge"] == "none" else given["judge"],
        **{name: given[name] for name in ("folds", "epochs", "batch_size", "device", "seed")},
    )
    check_extras(settings)
    folder = given["out"] or new_folder("explore")
    check_vacant(folder)
    name = given["model"]
    audio = audio_as(name, given)
    parts = survey(given["data"], image_size=given["image_size"], audio=audio)
    look = _network(name, given["layer"], next(iter(parts.values())).images)
    console = Console(stderr=True, highlight=False)
    exploration = run_exploration(
        parts, **look, settings=settings, name=given["data"], on_stage=console.print
    )
    command = command_line()
    asked = {name: given[name] for name in ("data", "model", "layer", "image_size")}
    asked |= audio_note(audio)
    config = {"command": "explore", **asked, **asdict(settings), "command_line": command}
    write_json(claim(folder) / "config.json", config)
    exploration.write(folder, command)
    return exploration, folder


def _network(name: str | None, layer: str | None, images: ImageSet) -> dict[str, Any]:
    """The network to look with: of a run, or of a factory; nothing where none is named."""
    if name is None:
        if layer is not None:
            raise InvalidValueError(f"layer: expected none without --model, got {layer}")
        return {}
    channels, height, width = images.images.shape[1:]
    shape = (channels, height, width)
    trained = network_of(name, shape, images.class_names, lambda: normalisation(images.images))
    if layer is None and trained.layer is None:
        layers = ", ".join(name for name, _ in trained.model.named_modules() if name)
        raise InvalidValueError(f"layer: expected --layer with --model, one of {layers[:300]}")
    check_shape(trained.shape, name, shape)
    chosen = layer or trained.layer
    return {
        "model": trained.model,
        "layer": chosen,
        "normalisation": trained.normalisation,
        "answers": trained.class_names,
    }


def _show(exploration: Exploration, folder: Path) -> None:
    """Print the classes, what was found, and where the files are."""
    result = exploration.result
    console = result_console()
    console.print(_table(result))
    for sentence in explore_findings(result):
        console.print(sentence, markup=False)
    print_paths(console, folder, ("report.html", "samples.csv", "result.json"))


def _table(result: Mapping[str, Any], most: int = 20) -> Table:
    table = bare_table()
    table.add_column("class", overflow="ellipsis", max_width=20, no_wrap=True)
    parts = list(result["parts"])
    issues = [] if result["label_issues"] is None else ["label issues"]
    for name in (*parts, "outliers", *issues, "neighbours agree"):
        table.add_column(name, justify="right")
    for row in result["classes"][:most]:
        agree = row["neighbour_accuracy"]
        table.add_row(
            escape(row["name"]),
            *(f"{row[f'{part}_count']:,}" for part in parts),
            f"{row['outliers']:,}",
            *([] if row["label_issues"] is None else [f"{row['label_issues']:,}"]),
            "" if agree is None else f"{agree:.1%}",
        )
    if len(result["classes"]) > most:
        table.add_row(f"and {len(result['classes']) - most} more")
    return table
