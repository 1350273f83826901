"""Maps that a run keeps after each epoch, so that one can see later how its layers came about."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.data import normalise
from imprint.runs import read_tensors, write_tensors
from imprint.seeing import landmarks, layer_maps
from imprint.signatures import signature
from imprint.training.states import join_parts, split_parts
from imprint.types import ImageSet, Normalisation

__all__ = ["KeptMaps", "MapKeeper", "read_kept_maps", "spread_rows"]

MOST_CHANNELS = 16
"""Channels of a layer whose maps are kept; signatures are of all."""

KINDS = ("maps", "signatures")
PATTERN = "maps-epoch-*.safetensors"


class KeptMaps(NamedTuple):
    """What was kept after one epoch.

    Attributes:
        epoch: from 1.
        index: `(N,)`, int64, the images' places in the test part.
        maps: by layer `(N, C, H, W)`, its first channels.
        signatures: by layer `(N, D)`, of all channels.
    """

    epoch: int
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, as in `imprint.data.Batch`
    maps: dict[str, Tensor]
    signatures: dict[str, Tensor]


class MapKeeper:
    """Keeps the maps of the same images at the same few layers, epoch by epoch.

    Args:
        model: any `nn.Module`; it is left as it was, so that training goes on to the same bit.
        images: some are taken, of as many classes as can be.
        normalisation: of the images that the model takes.
        count: of the images, at least 1.

    Raises:
        LayerError: for a model without maps.

    Examples:
        >>> pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> images = ImageSet(pixels, torch.tensor([0, 0, 1, 1]), ("a", "b"))
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
        >>> keeper = MapKeeper(model, images, Normalisation((0.0,), (1.0,)), count=2)
        >>> keeper.index, keeper.layers
        (tensor([0, 2]), ('0',))
    """

    def __init__(
        self, model: nn.Module, images: ImageSet, normalisation: Normalisation, *, count: int
    ) -> None:
        self.index = spread_rows(images.labels, count)
        self._model = model
        self._images = normalise(images.images[self.index], normalisation)
        self.layers = landmarks(model, self._images)

    def write(self, folder: Path, epoch: int) -> Path:
        """Keep the maps as they are now.

        Args:
            folder: of the run.
            epoch: how many are done.

        Returns:
            The file.

        Raises:
            StorageError: where it cannot be written.
        """
        rows = layer_maps(self._model, self._images, layers=self.layers)
        parts = {
            "maps": {row.name: row.maps[:, :MOST_CHANNELS] for row in rows},
            "signatures": {row.name: signature(row.maps) for row in rows},
        }
        note = {"epoch": epoch, "index": self.index.tolist(), "layers": self.layers}
        path = folder / f"maps-epoch-{epoch:03}.safetensors"
        return write_tensors(path, join_parts(parts), note)


def read_kept_maps(folder: Path) -> tuple[KeptMaps, ...]:
    """Read what a run has kept.

    Args:
        folder: of the run.

    Returns:
        by epoch; nothing where nothing was kept.

    Raises:
        DamagedFileError: where a file cannot be read.

    Examples:
        >>> read_kept_maps(Path("nowhere"))
        ()
    """
    return tuple(sorted(_read_all(folder), key=lambda kept: kept.epoch))


def _read_all(folder: Path) -> Iterator[KeptMaps]:
    for path in folder.glob(PATTERN):
        tensors, note = read_tensors(path)
        parts = split_parts(tensors)
        order = note["layers"]  # a file keeps its tensors by name
        maps, signatures = ({name: parts[kind][name] for name in order} for kind in KINDS)
        yield KeptMaps(note["epoch"], torch.tensor(note["index"]), maps, signatures)


def spread_rows(labels: Tensor, count: int) -> Tensor:
    """Choose rows of as many classes as can be, in turns, each class's first ones first.

    Args:
        labels: `(N,)`, int64.
        count: of the rows, at least 1.

    Returns:
        `(min(count, N),)`, int64, ascending.

    Examples:
        >>> spread_rows(torch.tensor([0, 0, 0, 1, 2]), 3)
        tensor([0, 3, 4])
    """
    order = labels.argsort(stable=True)
    starts = torch.zeros(int(labels.max()) + 1, dtype=torch.int64)
    starts[1:] = labels.bincount().cumsum(0)[:-1]
    turn = torch.empty_like(labels)
    turn[order] = torch.arange(len(labels)) - starts[labels[order]]
    chosen = turn.argsort(stable=True)[:count]
    return chosen.sort().values
