"""A run whose network is frozen up to a layer: that layer's maps, stored, stand for the images."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.data import Batches, batches_of, normalise
from imprint.errors import InvalidValueError
from imprint.hashes import hash_network, hash_tensors
from imprint.on_maps import Extraction, MapStore, check_space, extract
from imprint.on_maps.frozen import as_maps, stored_prefix
from imprint.training.building import TEST_BATCH
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

__all__ = ["check_freezable", "store_prefix"]


def check_freezable(data: DataSplits, settings: TrainSettings) -> None:
    """Check that maps which are taken once can stand for the images of a run.

    Args:
        data: what is to be trained on.
        settings: how.

    Raises:
        InvalidValueError: for images that are augmented, or that are maps themselves.

    Examples:
        >>> images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.tensor([0, 1]), ("a", "b"))
        >>> flipped = DataSplits("pair", pair, pair, ("flip",))
        >>> check_freezable(flipped, TrainSettings(freeze_to="block1"))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: augment: expected False (--no-augment) beside ... flip
    """
    if settings.freeze_to is None:
        return
    names = settings.augmentations_of(data.augmentations)
    if names:
        expected = "False (--no-augment) beside freeze_to, whose maps are taken once"
        raise InvalidValueError(f"augment: expected {expected}; got {', '.join(names)}")
    if data.train.floats:
        raise InvalidValueError("freeze_to: expected none on feature maps, got one")


def store_prefix(
    trainer: Trainer,
    data: DataSplits,
    folder: Path,
    on_extract: Callable[[Extraction], None] = lambda _: None,
) -> float:
    """Take the maps of all images at the layer up to which a network is frozen, and train on them.

    They are stored in the layer's own precision and layout, by batches of the training's size, so
    that on the CPU the training is the same to the bit.

    Args:
        trainer: with `freeze_to`, before its first epoch.
        data: its images, measured.
        folder: of the stores; what it holds already of this network and these data is not taken
            again.
        on_extract: called as the maps are taken.

    Returns:
        The seconds that it took.

    Raises:
        InvalidValueError: where the folder holds other maps.
        StorageError: where the disk will not hold them.

    Examples:
        >>> import tempfile
        >>> from imprint.data.scaling import measured
        >>> from imprint.training.building import build_trainer
        >>> images = torch.randint(256, (32, 1, 16, 16), dtype=torch.uint8)
        >>> noise = ImageSet(images, torch.arange(32) % 2, ("even", "odd"))
        >>> data = measured(DataSplits("noise", noise, noise))
        >>> settings = TrainSettings(freeze_to="block2", batch_size=8, epochs=1, device="cpu")
        >>> trainer = build_trainer(data, settings)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = store_prefix(trainer, data, Path(folder))
        ...     trainer.train_epoch()["images_trained"]
        32
    """
    begin = time.perf_counter()
    weights = hash_network(trainer.model)
    train, test = (
        _part_of(trainer, images, folder / part, weights)
        for part, images in (("train", data.train), ("test", data.test))
    )
    check_space([train.store, test.store])
    trainer.take_maps(
        _batches(trainer, _taken(train, on_extract), train=True),
        _batches(trainer, _taken(test, on_extract), train=False),
    )
    return time.perf_counter() - begin


class _Part(NamedTuple):
    """A part of the data, and how its maps are taken: into which store, how many at a time."""

    images: ImageSet
    store: MapStore
    read: Callable[[Tensor], Tensor]
    size: int


def _part_of(trainer: Trainer, images: ImageSet, folder: Path, weights: str) -> _Part:
    assert trainer.rest is not None  # noqa: S101 - the caller's
    rest, device, scale = trainer.rest, trainer.device, images.normalisation

    def read(rows: Tensor) -> Tensor:
        taken = normalise(images.images[rows].to(device), scale, channels_last=True)
        with trainer.autocast():
            return as_maps(rest.read(taken))

    size = min(trainer.settings.batch_size, len(images))
    form = read(torch.zeros(size, dtype=torch.int64))
    seen = hash_tensors({"images": images.images}, tuple(scale or ()))
    store = MapStore(folder, stored_prefix(rest, form, len(images), weights, seen))
    return _Part(images, store, read, size)


def _taken(part: _Part, on_extract: Callable[[Extraction], None]) -> ImageSet:
    images, store, read, size = part
    maps = extract(store, read, batch_size=size, part=store.folder.name, on_extract=on_extract)
    return ImageSet(maps, images.labels, images.class_names)


def _batches(trainer: Trainer, maps: ImageSet, *, train: bool) -> Batches:
    turned = not maps.images.is_contiguous()
    size = trainer.settings.batch_size if train else min(TEST_BATCH, len(maps))
    return batches_of(
        maps,
        size,
        maps.normalisation,
        device=trainer.device,
        seed=trainer.settings.seed,
        shuffle=train,
        drop_last=train,
        channels_last=turned,
    )
