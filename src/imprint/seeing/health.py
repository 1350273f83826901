"""The health of layers: what is dead, double, saturated or broken, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from imprint.seeing.images import image_batches
from imprint.seeing.layers import run_through
from imprint.seeing.reading import Reading
from imprint.seeing.tally import Tally
from imprint.taps import guest

__all__ = ["LayerHealth", "advice", "layer_health"]

ALIKE = 0.99
"""Correlation above which two channels are duplicates."""

MANY = 0.1
"""Share of channels from which on it is worth a word."""


@dataclass(frozen=True)
class LayerHealth:
    """What a layer's maps were like over a data set.

    Args:
        name: the layer's name; `name#2` for its second run in a forward pass.
        kind: the name of the module's type.
        images: how many were looked at.
        channels: C.
        dead: the channels that were 0 everywhere in all images.
        duplicates: pairs of channels, the lower first, whose maps correlate by more than 0.99 over
            all positions and images, of wide layers over every second position or third, by
            turns; none of a constant channel, or from fewer than ten values.
        saturation: the share of units within a hundredth of the range from an end of a bounded
            activation; of ReLU6 the upper end alone, as its zeros are counted beside; None for what
            has no bounds.
        zeros: the share of units that are exactly 0.
        signature_norm: the mean length of the images' signatures, NaN and infinity taken as 0.
        broken: the share of units that are NaN or infinite.
    """

    name: str
    kind: str
    images: int
    channels: int
    dead: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    saturation: float | None
    zeros: float
    signature_norm: float
    broken: float


def layer_health(
    model: nn.Module, batches: Iterable[Any], *, layers: Sequence[str] | None = None
) -> tuple[LayerHealth, ...]:
    """Examine each layer's maps over a data set, in one pass.

    Args:
        model: any `nn.Module`; it runs in eval mode without gradients and is left as it was.
        batches: tensors `(N, C, H, W)`, tuples of which that is the first, or `imprint.data.Batch`.
            Memory does not grow with their number: a layer of C channels takes C² numbers.
        layers: names out of `model.named_modules()`, each once; None for all that contain no others
            and put out maps.

    Returns:
        A row a layer, in order of execution.

    Raises:
        InvalidValueError: for no batch, images that the model does not take, or a name that is
            given twice.
        LayerError: for an unknown name, a layer that gives no maps, and a model without any.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
        >>> _ = nn.init.constant_(model[0].weight, 1.0), nn.init.zeros_(model[0].bias)
        >>> _ = model[0].weight.data[2].neg_()
        >>> row = layer_health(model, [torch.rand(4, 1, 8, 8)], layers=["1"])[0]
        >>> row.dead, row.duplicates
        ((2,), ((0, 1),))
    """
    tallies: dict[str, Tally] = {}

    def count(reading: Reading) -> None:
        if reading.name not in tallies:
            tallies[reading.name] = Tally(reading.module, reading.maps)
        tallies[reading.name].add(reading.maps)

    with guest(model), torch.no_grad():
        for _, images in image_batches(model, batches, finite=False):
            run_through(model, images, count, layers)
    return tuple(_row(name, tally) for name, tally in tallies.items())


def _row(name: str, tally: Tally) -> LayerHealth:
    pairs = (tally.moments.correlation() > ALIKE).triu(1).nonzero().tolist()
    return LayerHealth(
        name=name,
        kind=tally.kind,
        images=tally.images,
        channels=len(tally.answered),
        dead=tuple(tally.answered.logical_not().nonzero()[:, 0].tolist()),
        duplicates=tuple((first, second) for first, second in pairs),
        saturation=None if tally.bounds is None else tally.at_ends / tally.units,
        zeros=tally.zeros / tally.units,
        signature_norm=tally.norms / tally.images,
        broken=tally.broken / tally.units,
    )


def advice(row: LayerHealth) -> str:
    """Say what to do about a layer that is not well.

    Args:
        row: of one layer.

    Returns:
        A sentence on what weighs most, or nothing.

    Examples:
        >>> row = LayerHealth("relu1", "ReLU", 9, 4, (0, 1), (), None, 0.5, 1.0, 0.0)
        >>> advice(row)
        '2 of 4 channels never answer: lower the learning rate, or use a leaky rectifier, ...'
    """
    checks = (_on_broken, _on_dead, _on_duplicates, _on_saturation)
    return next(filter(None, (check(row) for check in checks)), "")


def _on_broken(row: LayerHealth) -> str:
    if not row.broken:
        return ""
    share = f"{max(row.broken, 0.0001):.2%} of the units are NaN or infinite"
    first = "mend the first layer where it happens, its weights and running statistics"
    return f"{share}: {first}; a lower learning rate may keep them finite."


def _on_dead(row: LayerHealth) -> str:
    dead = len(row.dead)
    if dead == row.channels:
        return "No channel answers to any image: nothing is learnt here or behind it; train anew."
    if dead < MANY * row.channels:
        return ""
    told = f"{dead} of {row.channels} channels never answer"
    return f"{told}: lower the learning rate, or use a leaky rectifier, or remove those channels."


def _on_duplicates(row: LayerHealth) -> str:
    doubled = len({second for _, second in row.duplicates})
    if not doubled or doubled < MANY * row.channels:
        return ""
    told = f"{doubled} of {row.channels} channels repeat another one"
    return f"{told}: the layer is wider than it needs to be; fewer channels would do."


def _on_saturation(row: LayerHealth) -> str:
    if row.saturation is None or row.saturation < 0.5:
        return ""
    told = f"{row.saturation:.0%} of the units lie at an end of the activation's range"
    return f"{told}, where hardly any gradient passes: put a norm before it, or start smaller."
