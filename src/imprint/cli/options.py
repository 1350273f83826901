"""Options that several commands share: each stands here once, with its words."""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.data import AUGMENTATIONS
from imprint.errors import InvalidValueError
from imprint.training import TrainSettings

__all__ = ["DEFAULTS", "settings_of", "shares_of"]

DEFAULTS = TrainSettings()

what = partial(typer.Option, rich_help_panel="What to train")
how = partial(typer.Option, rich_help_panel="How to train")
where = partial(typer.Option, rich_help_panel="Where to write")

NETWORKS = "conv4, paper, resnet8, resnet20, resnet18, module:factory or file.py:factory."

Data = Annotated[
    str, typer.Argument(help="A known set (mnist, fashion-mnist, cifar10), a folder, or a file.")
]
Task = Annotated[
    str,
    what(
        help="classify, by labels; or same-track, of audio without any, with defaults of its own:"
        " docs/same-track.md."
    ),
]
Model = Annotated[str, what(help=NETWORKS)]
Dimensions = Annotated[
    int | None,
    what(help="Of the vectors of same-track.", show_default="384, of fewer tracks all features"),
]
Layer = Annotated[
    str | None, what(help="Where maps are read.", show_default="a built-in network's own")
]
TEST_SHARE = 0.2
TestShare = Annotated[float, what(help="Share held out where the data have no test part.")]
ImageSize = Annotated[
    int | None,
    what(help="Side in pixels that images are brought to.", show_default="their own"),
]
Augment = Annotated[bool, what(help="Random crops and flips, as fit the set.")]
Augmentations = Annotated[
    str | None,
    what(
        metavar="NAMES",
        help=f"Instead of those that fit: {', '.join(AUGMENTATIONS)}; commas between.",
        show_default="those that fit the set",
    ),
]

DenseStart = Annotated[float, how(help="Share of epochs at the start without skipping.")]
DenseEnd = Annotated[float, how(help="Share of epochs at the end without skipping.")]
Epochs = Annotated[int, how(help="Passes over the data.")]
BatchSize = Annotated[int, how(help="Images a step.")]
BatchShrink = Annotated[
    float,
    how(help="Where a plan leaves images out: 0, fewer steps; 1, as many on fewer images."),
]
FreezeAfter = Annotated[
    list[str] | None,
    how(
        metavar="LAYER=SHARE",
        help="Up to this layer nothing learns after that share of the epochs.",
        show_default="none",
    ),
]
Optimizer = Annotated[str, how(help="sgd or adamw.")]
Rate = Annotated[
    float | None,
    how("--lr", help="Highest learning rate.", show_default="0.2 for sgd, 0.005 for adamw"),
]
Momentum = Annotated[float, how(help="Of sgd.")]
WeightDecay = Annotated[float, how(help="On weights.")]
Schedule = Annotated[str, how(help="one-cycle, cosine, step or constant.")]
Precision = Annotated[str, how(help="32, bf16 or 16.")]
Clip = Annotated[float | None, how(help="Largest norm of the gradients.", show_default="none")]
LabelSmoothing = Annotated[float, how(help="Share spread over all classes.")]
Device = Annotated[str, how(help="auto, cpu, cuda or mps.")]
Seed = Annotated[int, how(help="Of weights, order and augmentation.")]

Out = Annotated[Path | None, where(help="A new folder.", show_default="runs/<command>-<time>")]
AsJson = Annotated[bool, where("--json", help="Print result.json alone on stdout.")]


def settings_of(given: dict[str, Any]) -> TrainSettings:
    """Take the settings of a training out of a command's options.

    Args:
        given: all options by name; what is no setting is left aside.

    Returns:
        The settings, checked.
    """
    names = [field.name for field in fields(TrainSettings) if field.name in given]
    values = {name: given[name] for name in names}
    if isinstance(values.get("augmentations"), str):
        values["augmentations"] = values["augmentations"].replace(",", " ").split()
    if not isinstance(values.get("freeze_after"), dict):  # one where a stored run is resumed
        values["freeze_after"] = times_of(values.get("freeze_after") or ()) or None
    return TrainSettings(**values)


def times_of(pairs: Sequence[str]) -> dict[str, float]:
    """Read when layers are to freeze.

    Args:
        pairs: a layer and a share each, as `block1=0.25`.

    Returns:
        The share of each layer.

    Raises:
        InvalidValueError: for what is no such pair, or a layer that comes twice.
    """
    times: dict[str, float] = {}
    for pair in pairs:
        layer, _, share = pair.partition("=")
        if layer in times:
            raise InvalidValueError(f"freeze_after: expected one share a layer; got {layer} twice")
        try:
            times[layer] = float(share)
        except ValueError:
            expected = "LAYER=SHARE, such as block1=0.25"
            raise InvalidValueError(f"freeze_after: expected {expected}; got {pair!r}") from None
    return times


def shares_of(text: str) -> list[float]:
    """Read keep ratios.

    Args:
        text: numbers with commas or spaces between.

    Returns:
        The numbers.

    Raises:
        InvalidValueError: for what is no number, or none at all.
    """
    try:
        shares = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        shares = []
    if not shares:
        expected = "shares in (0, 1], with commas between"
        raise InvalidValueError(f"keeps: expected {expected}, got {text!r}")
    return shares
