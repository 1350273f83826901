"""Batches of a data set that does not fit the memory, read by PyTorch's DataLoader."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from imprint.data.augmentation import augment, check_augmentations
from imprint.data.batches import Batch, count_batches, epoch_order
from imprint.data.datasets import MapStyle, indexed, stack_images, to_pair
from imprint.data.scaling import normalise
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.types import Normalisation

__all__ = ["LoaderBatches"]


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
        normalisation: Normalisation,
        *,
        augmentations: Iterable[str] = (),
        device: torch.device | str = "cpu",
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = True,
        channels_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        self._dataset = indexed(dataset)
        self._len = count_batches(len(self._dataset), batch_size, drop_last=drop_last)
        self._batch_size, self._normalisation = batch_size, normalisation
        self._augmentations = check_augmentations(augmentations)
        self._device, self._seed, self._shuffle = torch.device(device), seed, shuffle
        self._channels_last, self._num_workers = channels_last, num_workers

    def __len__(self) -> int:
        return self._len

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Give the batches of an epoch.

        Args:
            epoch: from 0.

        Yields:
            `len(self)` batches on the device.

        Raises:
            InvalidValueError: for a negative epoch, or an item that is not as it should be.
        """
        generator = generator_of(self._seed, epoch)
        order = epoch_order(len(self._dataset), generator if self._shuffle else None)
        for index, images, labels in self._loader(order, generator):
            moved = images.to(self._device, non_blocking=True)
            moved = augment(moved, self._augmentations, generator=generator)
            floats = normalise(moved, self._normalisation, channels_last=self._channels_last)
            yield Batch(
                index.to(self._device, non_blocking=True),
                floats,
                labels.to(self._device, non_blocking=True),
            )

    def _loader(self, order: Tensor, generator: torch.Generator) -> DataLoader[Any]:
        rows = [part.tolist() for part in torch.split(order, self._batch_size)[: self._len]]
        return DataLoader(
            self._dataset,
            batch_sampler=rows,
            num_workers=self._num_workers,
            collate_fn=_Collate(len(self._normalisation.mean)),
            generator=generator,  # seeds the workers; without it, torch's global one would
            pin_memory=self._device.type == "cuda",
        )


class _Collate:
    """Items to tensors; a class and no lambda, since workers may have to be sent it."""

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def __call__(self, items: Sequence[tuple[int, Any]]) -> tuple[Tensor, Tensor, Tensor]:
        pairs = [to_pair(item, f"item {row}") for row, item in items]
        labels = [label for _, label in pairs]
        wrong = next((label for label in labels if isinstance(label, str)), None)
        if wrong is not None:
            raise InvalidValueError(f"labels: expected whole numbers, got {wrong!r}")
        images = stack_images([image for image, _ in pairs], channels=self._channels)
        return torch.tensor([row for row, _ in items]), images, torch.tensor(labels)
