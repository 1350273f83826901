"""The network that a training run left."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError
from imprint.models import BUILT_IN, build_model, default_layer
from imprint.runs import read_json, read_note, read_tensors
from imprint.training.embedding import EMBEDDING, STATISTICS, build_embedding
from imprint.types import Normalisation

__all__ = ["Trained", "load_trained", "runs_foreign_code"]


@dataclass(frozen=True)
class Trained:
    """A trained network and what it was trained on.

    Attributes:
        model: in eval mode, on the CPU.
        layer: the layer at which it was tapped, or a built-in network's own; None for neither.
        normalisation: of the images that it takes.
        shape: channels, height and width of these images.
        class_names: of its answers, in order; none of a network that tells tracks apart.
    """

    model: nn.Module
    layer: str | None
    normalisation: Normalisation
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]


def load_trained(folder: Path, *, answers: bool = True) -> Trained:
    """Load the network of a finished run.

    Args:
        folder: that `imprint train` wrote, with `model.safetensors` and `config.json`.
        answers: whether it must name classes, which that of `--task same-track` does not.

    Returns:
        The network.

    Raises:
        MissingFileError: where a file is not there.
        DamagedFileError: where the weights are not of that network.
        InvalidValueError: where it must name classes and does not.

    Examples:
        >>> load_trained(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    config = read_json(folder / "config.json")
    path = folder / "model.safetensors"
    if not path.is_file():
        expected = f"expected a finished run with {path.name}, found none"
        raise MissingFileError(f"{folder}: {expected}; imprint train --resume finishes one")
    tensors, note = read_tensors(path)
    if answers and note.get("task"):
        expected = "expected a run that names classes"
        raise InvalidValueError(f"{folder}: {expected}, got one of --task {note['task']}")
    try:
        channels, height, width = note["shape"]
        names = tuple(note["classes"])
        model = _network(note, (channels, height, width))
        model.load_state_dict(tensors)
        scale = Normalisation(tuple(note["mean"]), tuple(note["std"]))
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedFileError(f"{path}: expected the weights of a run, {reason}") from error
    layer = EMBEDDING if note.get("task") else config.get("layer") or default_layer(note["model"])
    return Trained(model.eval(), layer, scale, (channels, height, width), names)


def runs_foreign_code(folder: Path) -> str | None:
    """Tell, before a run is loaded, whether its network is code that would run.

    What is asked is the file of the weights: by that the network is built, not by `config.json`.

    Args:
        folder: of a finished run.

    Returns:
        The network's name, `module:factory` or `file.py:factory`; None for a built-in one.

    Raises:
        MissingFileError: where the weights are not there.
        DamagedFileError: where they are no safetensors file.

    Examples:
        >>> runs_foreign_code(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/model.safetensors, found none
    """
    name = read_note(folder / "model.safetensors").get("model")
    return None if name in (STATISTICS, *BUILT_IN) else str(name)


def _network(note: Mapping[str, Any], shape: tuple[int, int, int]) -> nn.Module:
    """The network that a run's weights are of, untrained."""
    if note.get("task") is not None:
        if note["task"] != "same-track":
            raise ValueError(f"task {note['task']!r}")
        return build_embedding(note["model"], shape, note["layer"], note["dimensions"])
    return build_model(note["model"], shape, len(note["classes"]))
