"""Batches of a data set that does not fit the memory, read by PyTorch's DataLoader."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from imprint.data.augmentation import augment, check_augmentations
from imprint.data.batches import (
    Batch,
    Batches,
    TensorBatches,
    count_batches,
    epoch_order,
    split_order,
)
from imprint.data.datasets import MapStyle, indexed, stack_images, to_pair
from imprint.data.decoding import MEMORY_BUDGET
from imprint.data.scaling import normalise
from imprint.data.seeds import generator_of
from imprint.errors import ImprintError, InvalidValueError
from imprint.types import ImageSet, Normalisation

__all__ = ["LoaderBatches", "batches_of"]

READERS = min(4, os.cpu_count() or 1)
"""Processes that read a set that is not kept in memory."""

_Loaded = tuple[Tensor, Tensor, Tensor]
"""The rows, the images as bytes and the labels of a batch."""


class _Item(NamedTuple):
    row: int
    image: Tensor
    label: int


def batches_of(
    image_set: ImageSet,
    batch_size: int,
    normalisation: Normalisation | None,
    *,
    augmentations: Iterable[str] = (),
    device: torch.device | str = "cpu",
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = True,
    channels_last: bool = False,
    shape: tuple[int, int, int] | None = None,
) -> Batches:
    """Batch a set of images: on the device where it is small, else through a DataLoader.

    Args:
        image_set: the images; up to 2 GiB of them are small. Floats are read where they lie.
        batch_size: and the others: as for `TensorBatches`.
        normalisation: of the training images; None for floats as they are.
        augmentations: their names, applied in this order.
        device: where the batches go.
        seed: at least 0.
        shuffle: a new order each epoch, otherwise the set's.
        drop_last: leave out the rows after the last full batch.
        channels_last: lay the images of a batch out as `(B, H, W, C)`; their shape stays.
        shape: channels, height and width that floats are brought to; None leaves them.

    Returns:
        The same batches in both cases.

    Raises:
        InvalidValueError: as `TensorBatches` and `LoaderBatches` do.

    Examples:
        >>> images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
        >>> image_set = ImageSet(images, torch.arange(10) % 2, ("even", "odd"))
        >>> len(batches_of(image_set, 4, Normalisation((0.0,), (1.0,)), drop_last=False))
        3
    """
    small = image_set.floats or image_set.images.nbytes <= MEMORY_BUDGET
    near = partial(TensorBatches, shape=shape)
    make = near if small else partial(LoaderBatches, num_workers=READERS)
    return make(
        image_set,
        batch_size,
        normalisation,
        augmentations=augmentations,
        device=device,
        seed=seed,
        shuffle=shuffle,
        drop_last=drop_last,
        channels_last=channels_last,
    )


class LoaderBatches:
    """Batches of any map-style data set, with the interface of `TensorBatches`.

    Order, augmentation and the workers' seeds follow from (seed, epoch) alone. A transform that
    draws from global random state in this process (`num_workers=0`) is outside of that.

    Args:
        dataset: gives `(image, label)`: images as for `from_dataset`, labels whole numbers in
            `0 … K-1`.
        batch_size: at least 1.
        normalisation: of the training images.
        augmentations: their names, applied in this order to whole batches.
        device: where the batches go.
        seed: at least 0.
        shuffle: a new order each epoch, otherwise the set's.
        drop_last: leave out the rows after the last full batch; to test, pass False.
        channels_last: lay the images of a batch out as `(B, H, W, C)`; their shape stays.
        num_workers: processes that read ahead; 0 reads in this one.

    Raises:
        InvalidValueError: for a batch larger than the data where only full ones count, a data set
            that is not map-style, an unknown augmentation, an item that is not as above.

    Examples:
        >>> pairs = [(torch.zeros(1, 8, 8), label) for label in (0, 1, 0)]
        >>> batches = LoaderBatches(pairs, 2, Normalisation((0.0,), (1.0,)))
        >>> [tuple(batch.images.shape) for batch in batches.epoch(0)]
        [(2, 1, 8, 8)]
    """

    def __init__(
        self,
        dataset: MapStyle[Any],
        batch_size: int,
        normalisation: Normalisation | None,
        *,
        augmentations: Iterable[str] = (),
        device: torch.device | str = "cpu",
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = True,
        channels_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        if normalisation is None:
            raise InvalidValueError("normalisation: expected one for images in bytes, got none")
        self._dataset = _Items(dataset)
        self._len = count_batches(len(self._dataset), batch_size, drop_last=drop_last)
        self._batch_size, self._normalisation = batch_size, normalisation
        self._augmentations = check_augmentations(augmentations)
        self._device, self._seed, self._shuffle = torch.device(device), seed, shuffle
        self._channels_last, self._num_workers = channels_last, num_workers
        self._drop_last = drop_last

    def __len__(self) -> int:
        return self._len

    def epoch(
        self,
        epoch: int,
        kept: Tensor | None = None,
        *,
        steps: int | None = None,
        whole: bool = False,
    ) -> Iterator[Batch]:
        """Give the batches of an epoch.

        Args:
            epoch: from 0.
            kept: `(N,)`, bool, the samples to load; None loads all. The order stays.
            steps: batches to give of all that is kept, their sizes as even as can be, whatever the
                batch size; None makes them of the batch size.
            whole: whether to give also what does not fill a last batch.

        Yields:
            `len(self)` batches on the device, or as many as `kept` fills.

        Raises:
            InvalidValueError: for a negative epoch, an item that is not as it should be, or where
                nothing would be loaded.
        """
        generator = generator_of(self._seed, epoch)
        order = epoch_order(len(self._dataset), generator if self._shuffle else None)
        drop_last = self._drop_last and not whole
        batches = split_order(order, self._batch_size, kept, steps=steps, drop_last=drop_last)
        for loaded in self._loader(batches, epoch):
            if isinstance(loaded, ImprintError):
                raise loaded
            index, images, labels = loaded
            moved = images.to(self._device, non_blocking=True)
            moved = augment(moved, self._augmentations, generator=generator)
            floats = normalise(moved, self._normalisation, channels_last=self._channels_last)
            yield Batch(
                index.to(self._device, non_blocking=True),
                floats,
                labels.to(self._device, non_blocking=True),
            )

    def _loader(self, batches: Iterable[Tensor], epoch: int) -> DataLoader[Any]:
        rows = [batch.tolist() for batch in batches]
        return DataLoader(
            self._dataset,
            batch_sampler=rows,
            num_workers=self._num_workers,
            collate_fn=_Collate(len(self._normalisation.mean)),
            generator=generator_of(self._seed, epoch, 1),  # the workers', else torch's global one
            pin_memory=self._device.type == "cuda",
        )


class _Items(Dataset[_Item | ImprintError]):
    """A data set's items as bytes and labels.

    An error is given as an item, and raised where the batch is asked for: PyTorch would wrap it in
    the worker's traceback, and keep the other workers waiting for as long as someone held that.
    """

    def __init__(self, dataset: MapStyle[Any]) -> None:
        self._dataset = indexed(dataset)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, row: int) -> _Item | ImprintError:
        try:
            image, label = to_pair(self._dataset[row][1], f"item {row}")
        except ImprintError as error:
            return error
        if isinstance(label, str):
            return InvalidValueError(f"item {row}: expected a whole number as label, got {label!r}")
        return _Item(row, image, label)


class _Collate:
    """Items to tensors; a class and no lambda, since workers may have to be sent it."""

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def __call__(self, items: Sequence[_Item | ImprintError]) -> _Loaded | ImprintError:
        good = []
        for item in items:
            if isinstance(item, ImprintError):
                return item
            good.append(item)
        try:
            images = stack_images([item.image for item in good], channels=self._channels)
        except ImprintError as error:
            return error
        return (
            torch.tensor([item.row for item in good]),
            images,
            torch.tensor([item.label for item in good]),
        )
