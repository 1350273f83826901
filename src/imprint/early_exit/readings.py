"""What a network's layers and its end say of a data set, gathered in one pass."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from imprint.data import batches_of, normalisation
from imprint.early_exit.heads import HEAD_KINDS, HeadKind, features_of
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import Tap, guest
from imprint.types import ImageSet, Normalisation

__all__ = ["Pairs", "Readings", "batches_from", "read_layers"]

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
) -> Readings:
    """Read features at some layers, and the logits at the end.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        layers: names out of `model.named_modules()`.
        batches: of images as the model takes them, with labels in `0 … K-1`.
        kinds: of the heads that are to be.
        most: samples after which no further batch is read.

    Returns:
        The readings, on the CPU.

    Raises:
        InvalidValueError: for no batch, labels out of range, or outputs that are not logits.
        LayerError: where a layer is missing or does not run.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> read = read_layers(model, ["0"], [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]))])
        >>> read.features["probe"][0].shape, read.shapes
        (torch.Size([3, 8]), [(4,)])
    """
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    rows: list[_Row] = []
    count = 0
    with guest(model), ExitStack() as stack:
        taps = [stack.enter_context(Tap(model, layer)) for layer in layers]
        for images, labels in batches:
            logits = _logits(model(images.to(device)), labels)
            maps = [tap.maps for tap in taps]
            rows.append(_Row({kind: _features(maps, kind) for kind in kinds}, logits, labels.cpu()))
            count += len(labels)
            if most is not None and count >= most:
                break
    if not rows:
        raise InvalidValueError("data: expected at least one sample, got none")
    return _joined(rows, [tuple(own.shape[1:]) for own in maps])


class _Row(NamedTuple):
    """What was read of a batch."""

    features: dict[HeadKind, list[Tensor]]
    logits: Tensor
    labels: Tensor


def _features(maps: list[Tensor], kind: HeadKind) -> list[Tensor]:
    return [features_of(own, kind).cpu() for own in maps]


def _joined(rows: list[_Row], shapes: list[tuple[int, ...]]) -> Readings:
    features = {
        kind: [torch.cat([row.features[kind][k] for row in rows]) for k in range(len(shapes))]
        for kind in rows[0].features
    }
    logits = torch.cat([row.logits for row in rows])
    labels = torch.cat([row.labels for row in rows])
    return Readings(features, logits, labels.long(), shapes)


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
    data: Any, batch_size: int, scale: Normalisation | None = None
) -> tuple[Pairs, Normalisation | None]:
    """Make batches of whatever holds samples.

    Args:
        data: batches already, as of a `DataLoader`; a map-style data set of `(image, label)` as
            the model takes them; or an `ImageSet`, whose bytes are normalised.
        batch_size: of those that are made here.
        scale: what an `ImageSet` without a normalisation of its own is normalised by; None
            measures it.

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
        made = batches_of(data, min(batch_size, len(data)), scale, shuffle=False, drop_last=False)
        return ((batch.images, batch.labels) for batch in made.epoch(0)), scale
    if hasattr(data, "__getitem__") and not isinstance(data, list | tuple):
        dataset: Any = data
        return DataLoader(dataset, batch_size), scale
    if isinstance(data, Iterable):  # of batches
        return data, scale
    raise InvalidValueError(f"data: expected a data set or batches, got {type(data).__name__}")
