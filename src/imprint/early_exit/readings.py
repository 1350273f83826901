"""What a network's layers and its end say of a data set, gathered in one pass."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from imprint.data import batches_of, normalisation
from imprint.early_exit.heads import FEATURES, HEAD_KINDS, HeadKind
from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor
from imprint.taps import guest, hooked, untraced
from imprint.types import ImageSet, Normalisation

__all__ = ["Pairs", "Readings", "batches_from", "pair_of", "read_layers"]

Pairs = Iterable[tuple[Tensor, Tensor]]
"""Batches `(images, labels)`, such as a `DataLoader` gives."""


class Readings(NamedTuple):
    """What was read of N samples at L layers.

    Attributes:
        features: for each kind of head L of `(N, D)`, float32; kinds may share them.
        logits: `(N, K)`, of the network's end.
        labels: `(N,)`, int64.
        shapes: L, of a sample's maps.
    """

    features: dict[HeadKind, list[Tensor]]
    logits: Tensor
    labels: Tensor
    shapes: list[tuple[int, ...]]


@torch.no_grad()  # no inference mode: heads are fitted to what is read
def read_layers(
    model: nn.Module,
    layers: Sequence[str],
    batches: Pairs,
    *,
    kinds: Sequence[HeadKind] = HEAD_KINDS,
    most: int | None = None,
    name: str = "data",
) -> Readings:
    """Read features at some layers, and the logits at the end.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        layers: names out of `model.named_modules()`.
        batches: of images as the model takes them, with labels in `0 … K-1`.
        kinds: of the heads that are to be.
        most: samples after which no further batch is read.
        name: of the batches, for errors.

    Returns:
        The readings, on the CPU.

    Raises:
        InvalidValueError: for no batch, what is none, labels out of range, or outputs that are not
            logits.
        LayerError: where a layer is missing or does not run.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> read = read_layers(model, ["0"], [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]))])
        >>> read.features["probe"][0].shape, read.shapes
        (torch.Size([3, 8]), [(4,)])
    """
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    takers = {FEATURES[kind] for kind in kinds}  # kinds that look at the same share it
    rows: list[_Row] = []
    count = 0
    with guest(model), ExitStack() as stack:
        readers = [stack.enter_context(_reader(model, layer, takers)) for layer in layers]
        for batch in batches:
            images, labels = pair_of(batch, name)
            logits = _logits(model(images.to(device)), labels)
            seen = [_last(reader, layer) for reader, layer in zip(readers, layers, strict=True)]
            rows.append(_Row(seen, logits, labels.cpu()))
            count += len(labels)
            if most is not None and count >= most:
                break
    if not rows:
        raise InvalidValueError(f"{name}: expected at least one sample, got none")
    return _joined(rows, kinds)


def pair_of(batch: Any, name: str = "data") -> tuple[Tensor, Tensor]:
    """Check that a batch is one of images and labels.

    Args:
        batch: what a data set gave.
        name: of the data set, for the error.

    Returns:
        The images, and the labels `(N,)`.

    Raises:
        InvalidValueError: where it is not.

    Examples:
        >>> pair_of({"image": torch.zeros(2, 1, 4, 4)})
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: data: expected batches (images, labels), ... got dict
    """
    match batch:
        case [Tensor() as images, Tensor() as labels]:
            got = f"labels {tuple(labels.shape)} of {labels.dtype} for images {tuple(images.shape)}"
            if labels.ndim == 1 and not labels.is_floating_point() and images.ndim:
                return images, labels
        case [*parts]:
            got = f"({', '.join(type(part).__name__ for part in parts[:4])})"
        case _:
            got = type(batch).__name__
    expected = "batches (images, labels), tensors (N, …) and (N,) of integers"
    raise InvalidValueError(f"{name}: expected {expected}; got {got}")


Take = Callable[[Tensor], Tensor]
"""From maps to features."""


class _Seen(NamedTuple):
    """What was read of a batch at a layer."""

    features: dict[Take, Tensor]
    shape: tuple[int, ...]


class _Row(NamedTuple):
    """What was read of a batch."""

    layers: list[_Seen]
    logits: Tensor
    labels: Tensor


@contextmanager
def _reader(model: nn.Module, layer: str, takers: Iterable[Take]) -> Iterator[list[_Seen]]:
    """Take features as soon as maps are there, as an exit does: a later layer may change them."""
    seen: list[_Seen] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        maps = first_tensor(output, layer)
        features = {take: take(maps).to("cpu", copy=True) for take in takers}
        seen.append(_Seen(features, tuple(maps.shape[1:])))

    with hooked(model, layer, untraced(hook)):
        yield seen


def _last(reader: list[_Seen], layer: str) -> _Seen:
    if not reader:
        raise LayerError(f"layer {layer!r}: did not run in the model's forward pass")
    seen = reader[-1]
    reader.clear()
    return seen


def _joined(rows: list[_Row], kinds: Sequence[HeadKind]) -> Readings:
    at_layers = [list(layer) for layer in zip(*(row.layers for row in rows), strict=True)]
    features = {
        take: [torch.cat([seen.features[take] for seen in layer]) for layer in at_layers]
        for take in {FEATURES[kind] for kind in kinds}
    }
    logits = torch.cat([row.logits for row in rows])
    labels = torch.cat([row.labels for row in rows]).long()
    shapes = [layer[-1].shape for layer in at_layers]
    return Readings({kind: features[FEATURES[kind]] for kind in kinds}, logits, labels, shapes)


def _logits(output: Any, labels: Tensor) -> Tensor:
    logits = first_tensor(output, "the model")
    if logits.ndim != 2 or len(logits) != len(labels) or not logits.is_floating_point():
        got = f"{tuple(logits.shape)} of {logits.dtype}"
        raise InvalidValueError(f"model: expected logits ({len(labels)}, K), got {got}")
    classes = logits.shape[1]
    if classes < 2 or not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        got = f"{int(labels.min())} … {int(labels.max())} for {classes} logits"
        raise InvalidValueError(f"labels: expected values in 0 … K-1, K at least 2; got {got}")
    return logits.float().cpu()


def batches_from(
    data: Any,
    batch_size: int,
    scale: Normalisation | None = None,
    *,
    most: int | None = None,
    name: str = "data",
) -> tuple[Pairs, Normalisation | None]:
    """Make batches of whatever holds samples.

    Args:
        data: batches already, as of a `DataLoader`; a map-style data set of `(image, label)` as
            the model takes them; or an `ImageSet`, whose bytes are normalised.
        batch_size: of those that are made here.
        scale: what an `ImageSet` without a normalisation of its own is normalised by; None
            measures it.
        most: samples of a data set to take, spread over it; None for all. Of batches that are made
            already, none is left out.
        name: of the data, for the error.

    Returns:
        The batches, and the normalisation of an `ImageSet`.

    Raises:
        InvalidValueError: for anything else.

    Examples:
        >>> images = ImageSet(torch.zeros(3, 1, 2, 2).byte(), torch.tensor([0, 1, 1]), ("a", "b"))
        >>> batches, _ = batches_from(images, 2)
        >>> [len(labels) for _, labels in batches]
        [2, 1]
    """
    if isinstance(data, ImageSet):
        scale = data.normalisation or scale
        if scale is None and not data.floats:
            scale = normalisation(data.images)
        if most is not None and most < len(data):
            rows = _spread(len(data), most)
            data = replace(data, images=data.images[rows], labels=data.labels[rows])
        made = batches_of(data, min(batch_size, len(data)), scale, shuffle=False, drop_last=False)
        return ((batch.images, batch.labels) for batch in made.epoch(0)), scale
    if isinstance(data, Mapping | str | bytes | Tensor):
        got = type(data).__name__
        raise InvalidValueError(f"{name}: expected a data set or batches, got {got}")
    if hasattr(data, "__getitem__") and not isinstance(data, list | tuple):
        return DataLoader(Subset(data, _spread(len(data), most).tolist()), batch_size), scale
    if isinstance(data, Iterable):  # of batches
        return data, scale
    raise InvalidValueError(f"{name}: expected a data set or batches, got {type(data).__name__}")


def _spread(count: int, most: int | None) -> Tensor:
    """Rows that lie evenly over a set, which may be sorted."""
    taken = min(count, most or count)
    return torch.linspace(0, count - 1, taken, dtype=torch.float64).round().long()
