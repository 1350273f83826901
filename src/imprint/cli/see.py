"""`imprint see`: look at a network."""

import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.networks import check_shape, is_run, network_of
from imprint.data import normalisation, read_picture, survey
from imprint.errors import InvalidValueError
from imprint.report import HEALTH_COLUMNS, health_line, see_findings
from imprint.runs import check_vacant, claim, write_json
from imprint.sight import SeeSettings, Sight
from imprint.sight import see as run_sight
from imprint.training import Trained, find_device, load_trained, read_kept_maps
from imprint.types import ImageSet

__all__ = ["see"]

USUAL = SeeSettings()
CLASSES = 10
"""Of a network that is built where no data tell how many."""

_with = partial(typer.Option, rich_help_panel="What to look with")
_at = partial(typer.Option, rich_help_panel="What to look at")


def see(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="A run's folder, module:factory, file.py:factory, or built in.")
    ],
    *,
    image: Annotated[
        Path | None, _with(help="A picture whose way is shown.", show_default="some of the data")
    ] = None,
    data: Annotated[
        str | None, _with(help="Images for patches and health, as for train.", show_default="none")
    ] = None,
    images: Annotated[int, _with(help="How many of the data's test part, at most.")] = 1000,
    image_size: options.ImageSize = None,
    layer: Annotated[
        list[str] | None, _at(help="A layer, several times for more.", show_default="all")
    ] = None,
    channels: Annotated[
        str | None,
        _at(
            help="Numbers, with commas: whose top patches are shown.", show_default="the strongest"
        ),
    ] = None,
    batch_size: Annotated[int, options.how(help="Images that run together.")] = USUAL.batch_size,
    device: options.Device = "auto",
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Look at a network: its maps, what it answers to, what it looks at, its health."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        sight, folder = _see(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(sight, folder)


class _Looked(NamedTuple):
    """What to look with."""

    trained: Trained
    images: ImageSet | Tensor
    picture: Tensor | None


def _see(given: dict[str, Any]) -> tuple[Sight, Path]:
    """Read network and images, look, write all files; what was seen and its folder."""
    settings = SeeSettings(
        layers=tuple(given["layer"]) if given["layer"] else None,
        channels=_numbers(given["channels"]),
        batch_size=given["batch_size"],
    )
    if given["image"] is None and given["data"] is None:
        raise InvalidValueError("image: expected --image, --data or both, got neither")
    if given["images"] < 1:
        raise InvalidValueError(f"images: expected at least 1, got {given['images']}")
    folder, name = given["out"] or new_folder("see"), given["model"]
    check_vacant(folder)
    device = find_device(given["device"])
    looked = _looked(given)
    sight = run_sight(
        looked.trained.model.to(device),
        looked.images,
        image=looked.picture,
        normalisation=looked.trained.normalisation,
        class_names=looked.trained.class_names,
        settings=settings,
        kept=read_kept_maps(Path(name)) if is_run(name) else (),
        name=name,
        on_stage=Console(stderr=True, highlight=False).print,
    )
    command = shlex.join(["imprint", *sys.argv[1:]])
    asked = {key: given[key] for key in ("model", "data", "images", "image_size", "device")}
    asked["image"] = None if given["image"] is None else str(given["image"])
    config = {"command": "see", **asked, **asdict(settings), "command_line": command}
    write_json(claim(folder) / "config.json", config)
    sight.write(folder, command)
    return sight, folder


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """Read channels."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        expected = "whole numbers with commas between"
        raise InvalidValueError(f"channels: expected {expected}, got {text!r}") from error


def _looked(given: dict[str, Any]) -> _Looked:
    """The network, the images, and the picture where there is one."""
    name, shape, names = given["model"], None, tuple(f"class {k}" for k in range(CLASSES))
    run = load_trained(Path(name)) if is_run(name) else None
    some = None if given["data"] is None else _test_part(given)
    if some is not None:
        shape, names = _shape(some.images), some.class_names
    if run is not None:
        if shape is not None:
            check_shape(run, name, shape)
        shape = run.shape
    picture = None
    if given["image"] is not None:
        picture = read_picture(given["image"], shape=shape, image_size=given["image_size"])
    images = some.images if some is not None else _alone(picture)
    trained = run or network_of(name, _shape(images), names, lambda: normalisation(images))
    return _Looked(trained, images if some is None else some, picture)


def _alone(picture: Tensor | None) -> Tensor:
    assert picture is not None  # noqa: S101 - there are data, or a picture, or an error before
    return picture[None]


def _shape(images: Tensor) -> tuple[int, int, int]:
    channels, height, width = images.shape[1:]
    return channels, height, width


def _test_part(given: dict[str, Any]) -> ImageSet:
    """Images of the test part, spread evenly over it; of all where there is none."""
    parts = survey(given["data"], image_size=given["image_size"])
    part = list(parts.values())[-1].images
    if not len(part):
        raise InvalidValueError(f"data: expected at least one image in {given['data']}, got none")
    rows = torch.linspace(0, len(part) - 1, min(len(part), given["images"])).round().long()
    return ImageSet(part.images[rows], part.labels[rows], part.class_names)


def _show(sight: Sight, folder: Path) -> None:
    """Print the layers' health, what was found, and where the files are."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(_table(sight.result))
    for sentence in see_findings(sight.result):
        console.print(sentence, markup=False)
    for name in ("report.html", "result.json"):
        console.print(str(folder / name), soft_wrap=True, markup=False)


def _table(result: Mapping[str, Any], most: int = 20) -> Table:
    """The health of the layers; of many, of those first that need a look."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("layer", overflow="ellipsis", max_width=24, no_wrap=True)
    for name in SHORT[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    rows = result["layers"]
    chosen = sorted(range(len(rows)), key=lambda k: not rows[k]["advice"])[:most]
    for row in (rows[k] for k in sorted(chosen)):
        cells = dict(zip(HEALTH_COLUMNS, health_line(row), strict=True))
        cells["layer"] = _tail(cells["layer"])
        table.add_row(*(cells[name].replace("[", r"\[") for name in SHORT))
    if len(rows) > most:
        table.add_row(f"and {len(rows) - most} more")
    return table


def _tail(name: str, most: int = 24) -> str:
    """The end of a long name, which tells layers apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


SHORT = ("layer", "channels", "dead", "duplicates", "zeros", "no numbers")
"""Columns of the health table that fit a terminal."""
