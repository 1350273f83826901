"""The network that a command looks with: of a run, of a factory, or built in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from imprint.early_exit import EarlyExit
from imprint.errors import InvalidValueError, MissingFileError
from imprint.hashes import hash_tensors
from imprint.models import BUILT_IN, build_model, default_layer
from imprint.runs import read_json
from imprint.training import Trained, load_trained
from imprint.types import Normalisation

__all__ = [
    "check_alike",
    "check_classes",
    "check_shape",
    "exits_of",
    "is_run",
    "network_of",
    "split_seed_of",
]

Shape = tuple[int, int, int]


def is_run(name: str) -> bool:
    """Tell whether a name is of a run's folder, not of a network.

    Args:
        name: what the user gave.

    Returns:
        True for a folder that holds a run, and for any other unless it has a built-in name.
    """
    holds = (Path(name) / "config.json").is_file()
    return holds or (Path(name).is_dir() and name not in BUILT_IN)


def network_of(
    name: str, shape: Shape, class_names: tuple[str, ...], scale: Callable[[], Normalisation]
) -> Trained:
    """Load the network of a run, or build one.

    Args:
        name: a run's folder, a built-in name, `module:factory` or `file.py:factory`.
        shape: channels, height and width of the images, for one that is built.
        class_names: of its answers, likewise.
        scale: measures the images, likewise.

    Returns:
        The network.

    Raises:
        ImprintError: where there is none such.
    """
    if is_run(name):
        return load_trained(Path(name))
    model = build_model(name, shape, len(class_names))
    return Trained(model, default_layer(name), scale(), shape, class_names)


def check_shape(own: Shape, name: str, shape: Shape) -> None:
    """Check that images are such as a network was trained on.

    Args:
        own: channels, height and width of the network's images.
        name: what the user called it.
        shape: channels, height and width of the images.

    Raises:
        InvalidValueError: where they are of another shape.
    """
    if own != shape:
        expected = f"images {own}, which the run in {name} was trained on"
        raise InvalidValueError(f"data: expected {expected}; got {shape}")


def check_alike(own: Trained, folder: Path, other: Trained, what: str) -> None:
    """Check that two networks take the same images and answer with the same classes.

    Args:
        own: the one.
        folder: of its run.
        other: the other.
        what: the one is called, for the error.

    Raises:
        InvalidValueError: where they do not.
    """
    for name in ("shape", "class_names", "normalisation"):
        expected, got = getattr(other, name), getattr(own, name)
        if expected != got:
            raise InvalidValueError(f"{what}: expected {name} {expected}, got {got} of {folder}")


def check_classes(trained: Trained, name: str, class_names: tuple[str, ...]) -> None:
    """Check that data have the classes that a network answers with.

    Args:
        trained: the network.
        name: what the user called it.
        class_names: of the data, in order.

    Raises:
        InvalidValueError: where they have others, or in another order.
    """
    if trained.class_names != class_names:
        expected = f"the {len(trained.class_names)} classes of the run in {name}"
        own, got = _some(trained.class_names), _some(class_names)
        raise InvalidValueError(
            f"data: expected {expected} ({own}), got {len(class_names)} ({got})"
        )


def _some(names: tuple[str, ...]) -> str:
    return ", ".join([*names[:6], *(["…"] if len(names) > 6 else [])])


def split_seed_of(config: Mapping[str, Any]) -> int:
    """Tell which seed drew the images that a run was tested on.

    Args:
        config: the run's `config.json`.

    Returns:
        Its own seed, or that of the run on whose maps, or from whose weights, it was trained.
    """
    seed: int = config.get("split_seed", config.get("seed", 0))
    return seed


def exits_of(folder: Path | None, trained: Trained, run: Path) -> EarlyExit | None:
    """Load the exits of an early-exit run, if they are a network's.

    Args:
        folder: of the early-exit run; None for none.
        trained: the network.
        run: its folder.

    Returns:
        The exits.

    Raises:
        MissingFileError: where there are none.
        InvalidValueError: where they are another network's.
    """
    if folder is None:
        return None
    asked = read_json(folder / "config.json")
    first = _first_of(asked)
    loaded = EarlyExit.load(folder / "exits.safetensors", first=first)
    for name, model, own in (("", trained.model, run), ("first_", first, asked.get("first"))):
        if model is not None and asked.get(f"{name}weights") != hash_tensors(model.state_dict()):
            got = f"those of {asked.get('run', 'another network')}"
            raise InvalidValueError(f"exits: expected those of the network in {own}, got {got}")
    return loaded


def _first_of(asked: Mapping[str, Any]) -> nn.Module | None:
    """The network that the exits of a run ask first; None where they ask none."""
    if asked.get("first_weights") is None:
        return None
    folder = Path(asked["first"])
    if not (folder / "config.json").is_file():
        expected = f"the run of the network that they ask first in {folder}"
        raise MissingFileError(f"exits: expected {expected}, found none")
    return load_trained(folder).model
