"""`imprint see`: look at a network."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor, nn

from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.networks import check_shape, is_run
from imprint.cli.run_data import audio_as, reader_of
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import read_picture, survey
from imprint.errors import InvalidValueError
from imprint.models import BUILT_IN, build_model
from imprint.report import HEALTH_COLUMNS, health_line, see_findings
from imprint.runs import check_vacant, claim, write_json
from imprint.sight import SeeSettings, Sight
from imprint.sight import see as run_sight
from imprint.training import Trained, find_device, load_trained, read_kept_maps
from imprint.types import DataPart, Normalisation

__all__ = ["see"]

USUAL = SeeSettings()

Shape = tuple[int, int, int]

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
    """What to look into, and what with; of a network that was built, no scale."""

    model: nn.Module
    images: DataPart | Tensor
    picture: Tensor | None
    class_names: tuple[str, ...] = ()
    normalisation: Normalisation | None = None


def _see(given: dict[str, Any]) -> tuple[Sight, Path]:
    """Read network and images, look, write all files; what was seen and its folder."""
    settings = SeeSettings(
        layers=tuple(given["layer"]) if given["layer"] else None,
        channels=_numbers(given["channels"]),
        images=given["images"],
        batch_size=given["batch_size"],
    )
    if given["image"] is None and given["data"] is None:
        raise InvalidValueError("image: expected --image, --data or both, got neither")
    folder, name = given["out"] or new_folder("see"), given["model"]
    check_vacant(folder)
    device = find_device(given["device"])
    looked = _looked(given)
    sight = run_sight(
        looked.model.to(device),
        looked.images,
        image=looked.picture,
        normalisation=looked.normalisation,
        class_names=looked.class_names,
        settings=settings,
        kept=read_kept_maps(Path(name)) if is_run(name) else (),
        name=f"{name}, untrained" if name in BUILT_IN and not is_run(name) else name,
        on_stage=Console(stderr=True, highlight=False).print,
    )
    command = command_line()
    asked = {key: given[key] for key in ("model", "data", "image_size", "device")}
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
    name, part = given["model"], None if given["data"] is None else _part(given["data"], given)
    if is_run(name):
        return _of_run(load_trained(Path(name)), part, given)
    if part is None:
        model, alone = _built_for_picture(given)
        return _Looked(model, alone[None], alone)
    shape = _shape(part.images.images)
    model = build_model(name, shape, len(part.images.class_names))
    return _Looked(model, part, _picture(given, shape))


def _of_run(run: Trained, part: DataPart | None, given: dict[str, Any]) -> _Looked:
    """A run's network, with images such as it was trained on."""
    if part is not None:
        check_shape(run.shape, given["model"], _shape(part.images.images))
    picture = _picture(given, run.shape)
    images = part or _alone(picture)
    return _Looked(run.model, images, picture, run.class_names, run.normalisation)


def _built_for_picture(given: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    """A network, and the picture in as many colours as its first convolution takes."""
    picture = read_picture(given["image"], image_size=given["image_size"])
    channels, height, width = picture.shape
    model = build_model(given["model"], (channels, height, width), None)
    wanted = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), channels)
    if wanted == channels or wanted not in (1, 3):
        return model, picture
    return model, read_picture(given["image"], shape=(wanted, height, width))


def _picture(given: dict[str, Any], shape: Shape) -> Tensor | None:
    return None if given["image"] is None else reader_of(given["model"], shape)(given["image"])


def _alone(picture: Tensor | None) -> Tensor:
    assert picture is not None  # noqa: S101 - there are data, or a picture, or an error before
    return picture[None]


def _shape(images: Tensor) -> Shape:
    channels, height, width = images.shape[1:]
    return channels, height, width


def _part(data: str, given: dict[str, Any]) -> DataPart:
    """The test part of the data; all of them where there is none."""
    audio = audio_as(given["model"])
    part = list(survey(data, image_size=given["image_size"], audio=audio).values())[-1]
    if not len(part.images):
        raise InvalidValueError(f"data: expected at least one image in {data}, got none")
    return part


def _show(sight: Sight, folder: Path) -> None:
    """Print the layers' health, what was found, and where the files are."""
    console = result_console()
    console.print(_table(sight.result))
    for sentence in see_findings(sight.result):
        console.print(sentence, markup=False)
    print_paths(console, folder)


def _table(result: Mapping[str, Any], most: int = 20) -> Table:
    """The health of the layers; of many, of those first that need a look."""
    table = bare_table()
    table.add_column("layer", overflow="ellipsis", max_width=24, no_wrap=True)
    for name in SHORT[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    rows = result["layers"]
    chosen = sorted(range(len(rows)), key=lambda k: not rows[k]["advice"])[:most]
    for row in (rows[k] for k in sorted(chosen)):
        cells = dict(zip(HEALTH_COLUMNS, health_line(row), strict=True))
        cells["layer"] = _tail(cells["layer"])
        table.add_row(*(escape(cells[name]) for name in SHORT))
    if len(rows) > most:
        table.add_row(f"and {len(rows) - most} more")
    return table


def _tail(name: str, most: int = 24) -> str:
    """The end of a long name, which tells layers apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


SHORT = ("layer", "channels", "dead", "duplicates", "zeros", "no numbers")
"""Columns of the health table that fit a terminal."""
