"""A frozen prefix for a training loop of one's own: its maps taken once, and the rest to train."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from imprint.errors import InvalidValueError, LayerError
from imprint.hashes import hash_network, hash_tensors
from imprint.on_maps.extraction import Extraction, extract
from imprint.on_maps.prefix import Rest
from imprint.on_maps.store import DTYPES, MapStore, StoredMaps
from imprint.runs import read_tensors, write_tensors
from imprint.taps import device_of

__all__ = ["Pairs", "as_maps", "frozen_prefix", "stored_prefix"]

LOOKED_AT = 64
"""Images of a data set that are hashed with their labels, spread over it; all may take long."""


class Pairs(Protocol):
    """A map-style data set of `(image, label)`; images `(C, H, W)`, floats as a network takes."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> tuple[Tensor, int | Tensor]: ...


def frozen_prefix(
    model: nn.Module,
    layer: str,
    dataset: Pairs,
    folder: Path | str,
    *,
    batch_size: int = 256,
    on_extract: Callable[[Extraction], None] = lambda _: None,
) -> tuple[Rest, TensorDataset]:
    """Take a layer's maps of a data set once, so that only what follows the layer need be trained.

    Args:
        model: any `nn.Module` that takes one tensor; it is left as it was, and keeps taking images.
            Its prefix runs in eval mode; an optimizer may hold all parameters, those before the
            layer get no gradients.
        layer: a name out of `model.named_modules()`, through which all data flow.
        dataset: map-style, `(image, label)`; images `(C, H, W)`, floats as the model takes them,
            the same each time they are asked for (no augmentation).
        folder: where the maps are kept, in the layer's own precision. The next call with the same
            weights and data finds them there, labels too, and one that was interrupted is
            continued.
        batch_size: images that run together.
        on_extract: called as the maps are taken.

    Returns:
        the rest of the network, which takes maps in the place of images, and the maps with their
        labels as a data set, in the order of yours, mapped from the folder.

    Raises:
        LayerError: where data flow around the layer, or the rest cannot run alone.
        InvalidValueError: for what are no such pairs, where an image is not the same twice, or the
            folder holds other maps.
        StorageError: where the disk will not hold them.

    Examples:
        >>> import tempfile
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> pairs = TensorDataset(torch.rand(6, 1, 8, 8), torch.arange(6) % 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rest, stored = frozen_prefix(model, "1", pairs, folder)
        ...     maps, labels = stored[:4]
        ...     rest(maps).shape
        torch.Size([4, 2])
    """
    if batch_size < 1:
        raise InvalidValueError(f"batch_size: expected at least 1, got {batch_size}")
    looked, labels = _looked_at(dataset)
    channels, height, width = looked.shape[1:]
    rest = Rest(model, layer, (channels, height, width))
    device = device_of(model)
    form = _first(rest, looked[:1].to(device))
    data = hash_tensors({"images": looked, "labels": labels})
    about = stored_prefix(rest, form, len(dataset), hash_network(model), data)
    seen: dict[int, Tensor] = {}

    def read(rows: Tensor) -> Tensor:
        images = []
        for row in rows.tolist():
            image, seen[row] = _pair(dataset, row)
            images.append(image)
        return as_maps(rest.read(torch.stack(images).to(device)))

    store = MapStore(Path(folder), about)
    maps = extract(store, read, batch_size=min(batch_size, len(dataset)), on_extract=on_extract)
    labels = _labels(Path(folder) / "labels.safetensors", dataset, seen)
    return rest, TensorDataset(maps.reshape(len(maps), *rest.shape), labels)


def stored_prefix(rest: Rest, form: Tensor, count: int, weights: str, data: str) -> StoredMaps:
    """Describe the store of a frozen prefix.

    Args:
        rest: of the network.
        form: the layer's maps of one image or more: their type and layout are kept.
        count: N, the images.
        weights: a hash of the network.
        data: a hash of the images.

    Returns:
        What the store is to hold.

    Raises:
        LayerError: for maps of a type that no store holds.

    Examples:
        >>> rest = Rest(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "0", (1, 2, 2))
        >>> stored_prefix(rest, torch.zeros(1, 4), 60, "w", "d").shape
        (4, 1, 1)
    """
    maps = as_maps(form)
    kind = str(maps.dtype).removeprefix("torch.")
    if kind not in DTYPES:
        expected = f"maps of {', '.join(DTYPES)}"
        raise LayerError(f"layer {rest.layer!r}: expected {expected}, got {kind}")
    channels, height, width = maps.shape[1:]
    turned = maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous()
    shape = (channels, height, width)
    return StoredMaps(rest.layer, "as it is", count, shape, kind, turned, weights, data)


def as_maps(output: Tensor) -> Tensor:
    """Give any output of a layer four dimensions.

    Args:
        output: `(N, …)`.

    Returns:
        `(N, C, H, W)`, a view: what is missing has the size 1, what is too much is in C.

    Examples:
        >>> as_maps(torch.zeros(3, 8)).shape, as_maps(torch.zeros(3, 2, 4, 5, 6)).shape
        (torch.Size([3, 8, 1, 1]), torch.Size([3, 8, 5, 6]))
    """
    if output.ndim > 4:
        return output.flatten(1, output.ndim - 3)
    return output.reshape(*output.shape, *(1,) * (4 - output.ndim))


def _looked_at(dataset: Pairs) -> tuple[Tensor, Tensor]:
    """Some images of a data set, `(M, C, H, W)`, and labels; each must be the same twice."""
    if not len(dataset):
        raise InvalidValueError("dataset: expected at least one image, got none")
    rows = torch.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset))).round().long()
    pairs = [_pair(dataset, row) for row in rows.tolist()]
    images = [image for image, _ in pairs]
    _check_images(images)
    for row, image in zip(rows.tolist(), images, strict=True):
        if not torch.equal(image, _pair(dataset, row)[0]):
            expected = "the same image each time that it is asked for, without augmentation"
            raise InvalidValueError(f"dataset: expected {expected}; got two that differ")
    return torch.stack(images), torch.stack([label for _, label in pairs])


def _pair(dataset: Pairs, row: int) -> tuple[Tensor, Tensor]:
    """An image and its label, as a tensor."""
    pair: Any = dataset[row]
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        got = f"{len(pair)} values" if isinstance(pair, tuple | list) else type(pair).__name__
        raise InvalidValueError(f"dataset: expected pairs (image, label), got {got}")
    try:
        return pair[0], torch.as_tensor(pair[1])
    except (TypeError, ValueError, RuntimeError) as error:
        got = type(pair[1]).__name__
        raise InvalidValueError(f"dataset: expected labels as numbers, got {got}") from error


def _check_images(images: Sequence[Any]) -> None:
    """Check that what a data set gives are tensors of floats, all of one shape."""
    first = images[0]
    if not isinstance(first, Tensor) or first.ndim != 3:
        got: Any = tuple(getattr(first, "shape", ())) or type(first).__name__
        raise InvalidValueError(f"dataset: expected images as tensors (C, H, W), got {got}")
    if not first.is_floating_point():
        raise InvalidValueError(f"dataset: expected images as floats, got {first.dtype}")
    other = next((tuple(i.shape) for i in images if i.shape != first.shape), None)
    if other is not None:
        expected = f"images of one shape, {tuple(first.shape)} as the first"
        raise InvalidValueError(f"dataset: expected {expected}; got {other}")


def _first(rest: Rest, image: Tensor) -> Tensor:
    """The first image's maps; an error names what the network does not take."""
    try:
        return rest.read(image)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        expected = f"images that the model takes, got {image.dtype}"
        raise InvalidValueError(f"dataset: expected {expected}: {reason}") from error


def _labels(path: Path, dataset: Pairs, seen: dict[int, Tensor]) -> Tensor:
    """All labels: as stored, or as seen on the way and, after an interruption, read again."""
    if path.is_file():
        return read_tensors(path)[0]["labels"]
    rows = range(len(dataset))
    labels = torch.stack([seen[r] if r in seen else _pair(dataset, r)[1] for r in rows])
    write_tensors(path, {"labels": labels}, {})
    return labels
