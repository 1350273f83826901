"""Options of training on a run's maps, or from its weights."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.cli.audio_options import audio_of
from imprint.cli.networks import split_seed_of
from imprint.errors import InvalidValueError
from imprint.on_maps import MapSettings
from imprint.runs import read_json

__all__ = [
    "USUAL",
    "Form",
    "FreezeTo",
    "Init",
    "Normalised",
    "OnMaps",
    "Stage",
    "StartFrom",
    "Store",
    "check_together",
    "follow_base",
    "maps_of",
]

USUAL = MapSettings()

_maps = partial(typer.Option, rich_help_panel="Feature maps")
_frozen = partial(typer.Option, rich_help_panel="A frozen prefix")

OnMaps = Annotated[
    Path | None, _maps(help="A run, on whose maps at --layer to train.", show_default="none")
]
Stage = Annotated[str, _maps(help="before-activation or after-activation.")]
Form = Annotated[str, _maps(help="each channel an image, their mean, or their energy.")]
Init = Annotated[str, _maps(help="Start from the base run's weights, or from fresh ones.")]
Normalised = Annotated[
    bool, _maps("--normalised", help="Bring the maps to mean 0 and deviation 1.")
]
Store = Annotated[
    Path | None, _maps(help="Folder that keeps the maps.", show_default="below the run's")
]

FreezeTo = Annotated[
    str | None,
    _frozen(help="Layer up to which nothing is trained; its maps are stored.", show_default="none"),
]
StartFrom = Annotated[
    Path | None,
    _frozen("--from", help="A run whose weights to start from.", show_default="the seed's"),
]

_OWN = ("stage", "form", "init", "normalised")
"""What means nothing without maps of a run."""


def maps_of(given: dict[str, Any]) -> MapSettings:
    """Take out of a command's options which maps are meant.

    Args:
        given: all options by name.

    Returns:
        The settings, checked.
    """
    names = ("layer", "stage", "form", "init", "normalised")
    return MapSettings(**{name: given[name] for name in names})


def check_together(given: dict[str, Any], named: set[str]) -> None:
    """Check that options of maps come with maps.

    Args:
        given: all options by name.
        named: those on the command line.

    Raises:
        InvalidValueError: for an option that would do nothing.
    """
    mapped, frozen = given["on_maps"] is not None, given["freeze_to"] is not None
    if not mapped:
        for name in named.intersection(_OWN):
            raise InvalidValueError(f"{name}: expected --on-maps beside it, got none")
    if given["store"] is not None and not (mapped or frozen):
        raise InvalidValueError("store: expected --on-maps or --freeze-to beside it, got none")
    _check_apart(given)
    for name in ("freeze_to", "start_from"):
        if mapped and given[name] is not None:
            shown = "from" if name == "start_from" else "freeze-to"
            raise InvalidValueError(f"{shown}: expected none beside --on-maps, got {given[name]}")


def _check_apart(given: dict[str, Any]) -> None:
    """Check that a store would not lie among the data, which would then be another set."""
    data, store = Path(given["data"]), given["store"]
    if store is not None and data.is_dir() and store.resolve().is_relative_to(data.resolve()):
        raise InvalidValueError(f"store: expected a folder outside the data {data}, got {store}")


def follow_base(given: dict[str, Any], run: Path, named: set[str]) -> dict[str, Any]:
    """Take over a base run's network, and its split of the data, so that no test image is trained.

    Args:
        given: all options by name.
        run: its folder.
        named: those on the command line, which stay.

    Returns:
        how to read the data: `test_share`, `seed`, `image_size` and `audio`.

    Raises:
        MissingFileError: where there is no such run.
    """
    config = read_json(run / "config.json")
    if "model" not in named:
        given["model"] = config.get("model", given["model"])
    if given["image_size"] is None:
        given["image_size"] = config.get("image_size")
    share = config.get("test_share", given["test_share"])
    seed = split_seed_of(config)
    size, audio = given["image_size"], audio_of(given, config)
    return {"test_share": share, "seed": seed, "image_size": size, "audio": audio}
