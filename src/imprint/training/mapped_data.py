"""A network's maps of a data set, as a data set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from imprint.data import normalise
from imprint.data.scaling import float_normalisation
from imprint.errors import InvalidValueError
from imprint.hashes import hash_network, hash_tensors
from imprint.on_maps import (
    Extraction,
    MapSettings,
    MapStore,
    StoredMaps,
    check_space,
    extract,
    map_planes,
    stage_maps,
)
from imprint.on_maps.forms import images_an_input
from imprint.training.trained import Trained
from imprint.types import DataSplits, ImageSet

__all__ = ["first_maps", "map_splits", "resolved"]

BATCH = 250
"""Images whose maps are taken together."""


def map_splits(
    data: DataSplits,
    base: Trained,
    maps: MapSettings,
    store: Path,
    *,
    batch_size: int = BATCH,
    on_extract: Callable[[Extraction], None] = lambda _: None,
) -> DataSplits:
    """Take a network's maps of a data set, and make a data set of them.

    Args:
        data: the images.
        base: the network, and what its images are normalised with.
        maps: which maps.
        store: a folder; maps that it holds already are not taken again.
        batch_size: images that run together.
        on_extract: called as the maps are taken.

    Returns:
        To train on: the maps as one-channel images of their own size, half precision, mapped from
        the store where the form allows. To test on: the images as they are. Beside them
        `test_maps`, the test images' maps.

    Raises:
        LayerError: for a layer that gives no maps, or that no activation follows.
        InvalidValueError: where the store holds other maps.
        StorageError: where the disk will not hold them.

    Examples:
        >>> from imprint.models import build_model
        >>> from imprint.types import Normalisation
        >>> images = torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.arange(8) % 2, ("even", "odd"))
        >>> data, model = DataSplits("pair", pair, pair), build_model("paper", (1, 16, 16), 2)
        >>> scale, names = Normalisation((0.5,), (0.5,)), ("even", "odd")
        >>> base = Trained(model, "conv1", scale, (1, 16, 16), names)
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     map_splits(data, base, MapSettings(form="each"), Path(folder)).train.images.shape
        torch.Size([80, 1, 6, 6])
    """
    maps = resolved(maps, base)
    parts = {"train": data.train, "test": data.test}
    stores = {part: _store_of(own, base, maps, store / part) for part, own in parts.items()}
    check_space(list(stores.values()))
    train, test = (
        _map_images(
            extract(
                stores[part],
                _reader(images, base, maps),
                batch_size=min(batch_size, len(images)),
                part=part,
                on_extract=on_extract,
            ),
            images,
            maps,
        )
        for part, images in parts.items()
    )
    if maps.normalised:
        scale = float_normalisation(train.images)
        train, test = (replace(part, normalisation=scale) for part in (train, test))
    originals = replace(data.test, normalisation=base.normalisation)
    return DataSplits(data.name, train, originals, beside={"test_maps": test})


def resolved(maps: MapSettings, base: Trained) -> MapSettings:
    """Name the layer where the user has not.

    Args:
        maps: which maps.
        base: the network.

    Returns:
        The same, with the layer at which the base run was tapped.

    Raises:
        InvalidValueError: where neither names one.

    Examples:
        >>> from torch import nn
        >>> from imprint.types import Normalisation
        >>> base = Trained(nn.ReLU(), "conv1", Normalisation((0,), (1,)), (1, 8, 8), ("a", "b"))
        >>> resolved(MapSettings(), base).layer
        'conv1'
    """
    layer = base.layer if maps.layer is None else maps.layer
    if layer is None:
        raise InvalidValueError("layer: expected one for a network of your own, got none")
    return replace(maps, layer=layer)


def first_maps(images: ImageSet, base: Trained, maps: MapSettings) -> Tensor:
    """Read the maps of the first image, which show what the others are like.

    Args:
        images: one or more.
        base: the network.
        maps: which maps; their layer is named.

    Returns:
        `(1, C, H, W)`.

    Raises:
        LayerError: for a layer that gives no maps, or that no activation follows.

    Examples:
        >>> from torch import nn
        >>> from imprint.types import Normalisation
        >>> images = ImageSet(torch.zeros(2, 1, 8, 8).byte(), torch.arange(2), ("a", "b"))
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> base = Trained(model, "0", Normalisation((0,), (1,)), (1, 8, 8), ("a", "b"))
        >>> first_maps(images, base, MapSettings(layer="0")).shape
        torch.Size([1, 4, 6, 6])
    """
    return _reader(images, base, maps)(torch.zeros(1, dtype=torch.int64))


def _map_images(stored: Tensor, images: ImageSet, maps: MapSettings) -> ImageSet:
    """Maps as images, each with its image's label."""
    planes = map_planes(stored, maps.form)
    labels = images.labels.repeat_interleave(images_an_input(maps.form, stored.shape[1]))
    return ImageSet(planes, labels, images.class_names)


def _reader(images: ImageSet, base: Trained, maps: MapSettings) -> Callable[[Tensor], Tensor]:
    """From rows of a part to their maps."""
    assert maps.layer is not None  # noqa: S101 - resolved
    layer, device = maps.layer, next(base.model.parameters()).device

    def read(rows: Tensor) -> Tensor:
        pixels = images.images[rows].to(device)
        taken = normalise(pixels, base.normalisation, channels_last=True)  # pools twice as fast
        return stage_maps(base.model, layer, maps.stage, taken)

    return read


def _store_of(images: ImageSet, base: Trained, maps: MapSettings, folder: Path) -> MapStore:
    """The store of a part, empty or not; the maps of one image show their shape."""
    channels, height, width = first_maps(images, base, maps).shape[1:]
    about = StoredMaps(
        maps.layer or "",
        maps.stage,
        len(images),
        (channels, height, width),
        "float16",
        weights=hash_network(base.model),
        data=hash_tensors({"images": images.images}, tuple(base.normalisation)),
    )
    return MapStore(folder, about)
