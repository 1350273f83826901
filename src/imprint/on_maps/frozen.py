"""A frozen prefix for a training loop of one's own: its maps taken once, and the rest to train."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from imprint.errors import InvalidValueError, LayerError
from imprint.on_maps.extraction import Extraction, extract
from imprint.on_maps.prefix import Rest
from imprint.on_maps.store import DTYPES, MapStore, StoredMaps, hash_tensors
from imprint.runs import read_tensors, write_tensors

__all__ = ["Pairs", "as_maps", "frozen_prefix", "stored_prefix"]

LOOKED_AT = 64
"""Images of a data set that are hashed, spread over it; to decode all may take long."""


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
            weights and data finds them there, and one that was interrupted is continued.
        batch_size: images that run together.
        on_extract: called as the maps are taken.

    Returns:
        the rest of the network, which takes maps in the place of images, and the maps with their
        labels as a data set, in the order of yours, mapped from the folder.

    Raises:
        LayerError: where data flow around the layer, or the rest cannot run alone.
        InvalidValueError: where an image is not the same twice, or the folder holds other maps.
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
    looked = _looked_at(dataset)
    channels, height, width = looked.shape[1:]
    rest = Rest(model, layer, (channels, height, width))
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    form = rest.read(looked[:1].to(device))
    data = hash_tensors({"images": looked})
    about = stored_prefix(rest, form, len(dataset), hash_tensors(model.state_dict()), data)
    seen: dict[int, Tensor] = {}

    def read(rows: Tensor) -> Tensor:
        images = []
        for row in rows.tolist():
            image, label = dataset[row]
            images.append(image)
            seen[row] = torch.as_tensor(label)
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
        weights: a hash of the network's.
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


def _looked_at(dataset: Pairs) -> Tensor:
    """Some images of a data set, `(M, C, H, W)`; each must be the same twice."""
    if not len(dataset):
        raise InvalidValueError("dataset: expected at least one image, got none")
    rows = torch.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset))).round().long()
    images = [dataset[row][0] for row in rows.tolist()]
    if not isinstance(images[0], Tensor) or images[0].ndim != 3:
        got = tuple(getattr(images[0], "shape", ())) or type(images[0]).__name__
        raise InvalidValueError(f"dataset: expected images as tensors (C, H, W), got {got}")
    if not torch.equal(images[0], dataset[int(rows[0])][0]):
        expected = "the same image each time that it is asked for, without augmentation"
        raise InvalidValueError(f"dataset: expected {expected}; got two that differ")
    return torch.stack(images)


def _labels(path: Path, dataset: Pairs, seen: dict[int, Tensor]) -> Tensor:
    """All labels: as stored, or as seen on the way and, after an interruption, read again."""
    if path.is_file():
        return read_tensors(path)[0]["labels"]
    rows = range(len(dataset))
    labels = torch.stack([seen[r] if r in seen else torch.as_tensor(dataset[r][1]) for r in rows])
    write_tensors(path, {"labels": labels}, {})
    return labels
