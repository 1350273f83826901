"""Batches to train and to test on, each epoch the same again for the same seed."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from imprint.data.augmentation import augment, check_augmentations
from imprint.data.decoding import MEMORY_BUDGET
from imprint.data.scaling import fit_images, normalise
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.outputs import take_rows
from imprint.types import ImageSet, Normalisation

__all__ = ["Batch", "Batches", "TensorBatches", "count_batches", "epoch_order", "split_order"]


class Batch(NamedTuple):
    """What a training step takes.

    Attributes:
        index: `(B,)`, int64, the rows of the data set.
        images: `(B, C, H, W)`, float32, normalised.
        labels: `(B,)`, int64.
    """

    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    images: Tensor
    labels: Tensor


class Batches(Protocol):
    """Where a training loop gets its batches; `len` is their number in an epoch."""

    def __len__(self) -> int: ...

    def epoch(
        self,
        epoch: int,
        kept: Tensor | None = None,
        *,
        steps: int | None = None,
        whole: bool = False,
    ) -> Iterator[Batch]:
        """Give the batches of an epoch, the same ones each time it is asked for.

        Args:
            epoch: from 0.
            kept: `(N,)`, bool, the samples to load; None loads all. The order stays.
            steps: batches to give of all that is kept, their sizes as even as can be, whatever the
                batch size; None makes them of the batch size.
            whole: whether to give also what does not fill a last batch.

        Returns:
            An iterator over the batches.
        """
        ...


class TensorBatches:
    """Batches of images that lie in memory, on the device, as bytes; or of floats.

    Args:
        image_set: the images and labels; on the CPU they are not copied. Floats that lie in a file
            and take much room stay there, and go to the device a batch at a time.
        batch_size: at least 1.
        normalisation: of the training images; None for floats as they are.
        augmentations: their names, applied in this order.
        device: where the images are kept and the batches made.
        seed: at least 0; order and augmentation of an epoch follow from it and the epoch alone, the
            same on each device.
        shuffle: a new order each epoch, otherwise the set's.
        drop_last: leave out the rows after the last full batch: each epoch those that its order
            puts last. To train, full batches keep the steps alike; to test, pass False.
        channels_last: lay the images of a batch out as `(B, H, W, C)`; their shape stays.
        shape: channels, height and width that floats are brought to; None leaves them.

    Raises:
        InvalidValueError: for a batch larger than the data where only full ones count, an empty
            set, another number of channels than the normalisation has, an unknown augmentation.

    Examples:
        >>> images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
        >>> image_set = ImageSet(images, torch.arange(10) % 2, ("even", "odd"))
        >>> batches = TensorBatches(image_set, 4, Normalisation((0.0,), (1.0,)), seed=1)
        >>> [tuple(batch.images.shape) for batch in batches.epoch(0)]
        [(4, 1, 8, 8), (4, 1, 8, 8)]
    """

    def __init__(
        self,
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
    ) -> None:
        self._len = count_batches(len(image_set), batch_size, drop_last=drop_last)
        self._batch_size, self._normalisation = batch_size, normalisation
        self._augmentations = check_augmentations(augmentations)
        self._device, self._seed, self._shuffle = torch.device(device), seed, shuffle
        self._channels_last, self._drop_last = channels_last, drop_last
        self._shape, images = shape, image_set.images
        far = image_set.floats and images.nbytes > MEMORY_BUDGET
        self._images = _packed(images if far else images.to(self._device))
        self._labels = image_set.labels.to(self._device)
        self._floats(self._images[:1])  # a misfit shows now, not in the first epoch

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
            InvalidValueError: for a negative epoch, or where nothing would be loaded.
        """
        generator = generator_of(self._seed, epoch)
        order = epoch_order(len(self._labels), generator if self._shuffle else None)
        drop_last = self._drop_last and not whole
        for rows in split_order(order, self._batch_size, kept, steps=steps, drop_last=drop_last):
            index = rows.to(self._device)
            images = take_rows(self._images, index.to(self._images.device)).to(self._device)
            images = augment(images, self._augmentations, generator=generator)
            yield Batch(index, self._floats(images), self._labels.index_select(0, index))

    def _floats(self, images: Tensor) -> Tensor:
        """Normalise a batch, and bring it to its shape."""
        if self._shape is None or images.shape[1:] == self._shape:
            return normalise(images, self._normalisation, channels_last=self._channels_last)
        fitted = fit_images(normalise(images, self._normalisation), self._shape)
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return fitted.contiguous(memory_format=layout)


def _packed(images: Tensor) -> Tensor:
    """Images whose rows lie in one piece each, in either layout."""
    packed = images.is_contiguous(memory_format=torch.channels_last)
    return images if packed else images.contiguous()


def epoch_order(count: int, generator: torch.Generator | None) -> Tensor:
    """Order the rows of a data set for an epoch.

    Args:
        count: the number of rows.
        generator: shuffles them; None leaves them as they are.

    Returns:
        `(count,)`, int64, each row once.

    Examples:
        >>> epoch_order(3, None)
        tensor([0, 1, 2])
    """
    return torch.arange(count) if generator is None else torch.randperm(count, generator=generator)


def split_order(
    order: Tensor,
    batch_size: int,
    kept: Tensor | None,
    *,
    drop_last: bool,
    steps: int | None = None,
) -> tuple[Tensor, ...]:
    """Split an epoch's order into batches.

    Args:
        order: `(N,)`, int64, each row of the data set once.
        batch_size: rows of a batch.
        kept: `(N,)`, bool, by row: those to load; None for all.
        drop_last: whether only full batches count.
        steps: batches to make of all rows, whose sizes differ by one at most; None makes them of
            the batch size.

    Returns:
        the rows of each batch, in the order given.

    Raises:
        InvalidValueError: where there is not one batch, more steps than rows, or other than a flag
            for each row.

    Examples:
        >>> kept = torch.tensor([True, False, True, True])
        >>> split_order(torch.tensor([3, 1, 0, 2]), 2, kept, drop_last=True)
        (tensor([3, 0]),)
        >>> split_order(torch.arange(5), 4, None, drop_last=True, steps=2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if kept is not None and kept.shape != order.shape:
        expected, got = tuple(order.shape), tuple(kept.shape)
        raise InvalidValueError(f"kept: expected {expected}, a flag for each row; got {got}")
    rows = order if kept is None else order[kept[order]]
    if steps is not None:
        if not 1 <= steps <= len(rows):
            raise InvalidValueError(f"steps: expected 1 … {len(rows)}, the images, got {steps}")
        return torch.tensor_split(rows, steps)
    count = count_batches(len(rows), batch_size, drop_last=drop_last)
    return torch.split(rows, batch_size)[:count]


def count_batches(count: int, batch_size: int, *, drop_last: bool) -> int:
    """Count the batches of an epoch.

    Args:
        count: rows of the data set.
        batch_size: rows of a batch.
        drop_last: whether only full batches count.

    Returns:
        their number, at least 1.

    Raises:
        InvalidValueError: where there is not one batch.

    Examples:
        >>> count_batches(10, 4, drop_last=True), count_batches(10, 4, drop_last=False)
        (2, 3)
    """
    if batch_size < 1 or count < 1 or (drop_last and batch_size > count):
        raise InvalidValueError(
            f"batch_size: expected 1 … {count}, the number of images; got {batch_size}"
        )
    return count // batch_size if drop_last else -(-count // batch_size)
