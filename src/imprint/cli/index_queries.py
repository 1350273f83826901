"""What commands on an index share: options, and ids or files that go through its network."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.cli import options
from imprint.data import spelled
from imprint.errors import InvalidValueError, MissingFileError
from imprint.searching import About, Gallery
from imprint.training import find_device, load_trained, runs_foreign_code

__all__ = [
    "AsLines",
    "Device",
    "Index",
    "LocalScaling",
    "Model",
    "Report",
    "opened_index",
    "query_of",
    "with_model",
]

_how = partial(typer.Option, rich_help_panel="How to look")

Index = Annotated[str, typer.Argument(help="A folder of index, or an address.")]
Model = Annotated[
    Path | None,
    _how(
        help="The folder of the run whose signatures it holds.",
        show_default="the one it was made with",
    ),
]
LocalScaling = Annotated[
    bool, _how("--local-scaling", help="Lower rows that are near to everything, so-called hubs.")
]
Device = Annotated[str, _how(help="auto, cpu, cuda or mps.")]
Report = Annotated[
    Path | None,
    options.where(help="A new folder for a report with pictures.", show_default="no report"),
]
AsLines = Annotated[bool, options.where("--json", help="Print a result a line, as JSON.")]


def opened_index(place: str) -> tuple[Gallery, About]:
    """Open an index to be asked by ids.

    Args:
        place: a folder or an address.

    Returns:
        The index, and what it says of itself.

    Raises:
        MissingFileError: where there is none.
    """
    gallery = Gallery(place)
    if gallery.about is None:
        raise MissingFileError(f"index: expected one in {place}, found none")
    return gallery, gallery.about


def query_of(gallery: Gallery, about: About, name: str, argument: str = "query") -> str | Path:
    """Read a query: an id, or else a file.

    Args:
        gallery: the index.
        about: what it says of itself.
        name: what the user gave.
        argument: what it was given for, for the error.

    Returns:
        The id, or the path of the file.

    Raises:
        MissingFileError: where it is neither.
    """
    try:
        return gallery.row(spelled(name)).id
    except MissingFileError as error:
        if Path(name).is_file():
            return Path(name)
        what = "an image file" if about.audio is None else "a file of audio"
        expected = f"{what} or an id of {gallery.uri}"
        raise MissingFileError(f"{argument}: expected {expected}, got {spelled(name)!r}") from error


def with_model(
    gallery: Gallery, about: About, given: Mapping[str, Any], *, needed: bool
) -> Gallery:
    """Open the same index with the network whose signatures it holds, where that is to be had.

    Args:
        gallery: the index.
        about: what it says of itself.
        given: options by name: `model`, the folder of a run or None, and `device`.
        needed: whether there must be one.

    Returns:
        The index; as it is where its signatures need no network, or none is needed or named.

    Raises:
        MissingFileError: where a network is needed, or named, and not there.
        InvalidValueError: for another network than the index's, or one of code that was not named.
    """
    run = given["model"] or (Path(about.run) if about.run else None)
    if given["model"] is None and gallery.signer is not None:
        return gallery
    if run is None or not (run / "config.json").is_file():
        if needed or given["model"] is not None:
            got = "none" if run is None else f"{run}, where none is"
            raise MissingFileError(f"model: expected the run of the index in --model, got {got}")
        return gallery
    if given["model"] is None:
        _check_built_in(run)
    trained = load_trained(run, answers=False)
    return Gallery(
        gallery.uri,
        model=trained.model.to(find_device(given["device"])),
        layer=about.layer,
        normalisation=trained.normalisation,
        deviation=about.deviation,
    )


def _check_built_in(run: Path) -> None:
    """Check that a run which an index names by itself runs no code that nobody asked for."""
    name = runs_foreign_code(run)
    if name is not None:
        expected = f"--model {run}, since its network {name} is code that would run"
        raise InvalidValueError(f"model: expected {expected}, got none")
