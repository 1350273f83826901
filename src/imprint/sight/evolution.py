"""How a network's layers came about: maps and signatures that training kept, epoch by epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import DamagedFileError
from imprint.seeing import settled_from, settling
from imprint.training import KeptMaps

__all__ = ["LayerEvolution", "evolution_of"]


class LayerEvolution(NamedTuple):
    """A layer over E epochs.

    Attributes:
        layer: its name.
        epochs: their numbers, from 1.
        image: the place in the test part of the image whose maps these are.
        maps: `(E, C, H, W)`, the first channels' of one image.
        to_next: similarity of the signatures of each epoch but the last to those of the next.
        to_last: likewise to those of the last.
        settled: the first epoch from which on signatures stay at 0.99 to the last; or None.
    """

    layer: str
    epochs: tuple[int, ...]
    image: int
    maps: Tensor
    to_next: tuple[float, ...]
    to_last: tuple[float, ...]
    settled: int | None


def evolution_of(kept: Sequence[KeptMaps]) -> tuple[LayerEvolution, ...]:
    """Set what was kept of each layer side by side.

    Args:
        kept: by epoch, of the same images and layers.

    Returns:
        A record a layer, in order of execution; nothing for fewer than two epochs.

    Raises:
        DamagedFileError: where what was kept is not of the same layers and shapes.

    Examples:
        >>> maps, signatures = {"0": torch.ones(1, 2, 3, 3)}, {"0": torch.ones(1, 4)}
        >>> rows = [KeptMaps(k, torch.tensor([4]), maps, signatures) for k in (1, 2)]
        >>> evolution_of(rows)[0].to_next
        (1.0,)
    """
    if len(kept) < 2:
        return ()
    try:
        return tuple(_layer(name, kept) for name in kept[0].maps)
    except (KeyError, RuntimeError, ValueError) as error:
        expected = "expected maps of the same layers and images in each epoch"
        raise DamagedFileError(f"maps-epoch-*.safetensors: {expected}, {error}") from error


def _layer(name: str, kept: Sequence[KeptMaps]) -> LayerEvolution:
    epochs = tuple(each.epoch for each in kept)
    signatures = torch.stack([each.signatures[name] for each in kept]).nan_to_num()
    course = settling(signatures)
    settled = settled_from(course.to_last)
    return LayerEvolution(
        layer=name,
        epochs=epochs,
        image=int(kept[0].index[0]),
        maps=torch.stack([each.maps[name][0] for each in kept]),
        to_next=tuple(round(value, 6) for value in course.to_next.tolist()),
        to_last=tuple(round(value, 6) for value in course.to_last.tolist()),
        settled=None if settled is None else epochs[settled],
    )
