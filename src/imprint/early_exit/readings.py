"""What a network's layers and its end say of a data set, gathered in one pass."""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.early_exit.heads import FEATURES, HEAD_KINDS, HeadKind, grid_means
from imprint.early_exit.samples import Pairs, pair_of
from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor
from imprint.taps import device_of, guest, hooked, untraced

__all__ = ["Passed", "Readings", "passes", "read_layers", "takers_of"]


class Readings(NamedTuple):
    """What was read of N samples at L layers.

    Attributes:
        features: for each kind of head L of `(N, D)`; kinds may share them. Those of a grid are
            in bfloat16, of which there are many.
        logits: `(N, K)`, float32, of the network's end.
        labels: `(N,)`, int64.
        shapes: L, of a sample's maps.
    """

    features: dict[HeadKind, list[Tensor]]
    logits: Tensor
    labels: Tensor
    shapes: list[tuple[int, ...]]


Take = Callable[[Tensor], Tensor]
"""From maps to features."""


class Passed(NamedTuple):
    """A batch that has passed the network.

    Attributes:
        features: for each way to take some L of `(N, D)`, on the network's device.
        shapes: L, of a sample's maps.
        logits: `(N, K)`, float32, on the CPU.
        labels: `(N,)`, int64, on the CPU.
        images: `(N, C, H, W)`, as the network took them, on its device.
    """

    features: dict[Take, list[Tensor]]
    shapes: list[tuple[int, ...]]
    logits: Tensor
    labels: Tensor
    images: Tensor


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
        name: of the samples, for errors.

    Returns:
        The readings, on the CPU.

    Raises:
        InvalidValueError: for no batch, labels out of range, or outputs that are not logits.
        LayerError: where a layer is missing or does not run.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> read = read_layers(model, ["0"], [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]))])
        >>> read.features["probe"][0].shape
        torch.Size([3, 8])
    """
    takers = takers_of(kinds)
    rows: dict[Take, list[list[Tensor]]] = {take: [[] for _ in layers] for take in takers}
    logits, labels = [], []
    shapes: list[tuple[int, ...]] = []
    with closing(passes(model, layers, batches, takers, most=most, name=name)) as passed:
        for own in passed:
            shapes = own.shapes
            logits.append(own.logits)
            labels.append(own.labels)
            for take in takers:
                for kept, taken in zip(rows[take], own.features[take], strict=True):
                    kept.append(_compact(taken, take))
    features = {take: [torch.cat(kept) for kept in rows.pop(take)] for take in takers}
    by_kind = {kind: features[FEATURES[kind]] for kind in kinds}
    return Readings(by_kind, torch.cat(logits), torch.cat(labels), shapes)


def _compact(features: Tensor, take: Take) -> Tensor:
    return features.to("cpu", torch.bfloat16 if take is grid_means else torch.float32)


def takers_of(kinds: Iterable[HeadKind]) -> set[Take]:
    """Say which features some kinds of heads look at; kinds that look at the same share them.

    Args:
        kinds: of heads.

    Returns:
        The ways to take features.

    Examples:
        >>> len(takers_of(["probe", "prototype"]))
        1
    """
    return {FEATURES[kind] for kind in kinds}


def passes(
    model: nn.Module,
    layers: Sequence[str],
    batches: Pairs,
    takers: Collection[Take],
    *,
    most: int | None = None,
    name: str = "data",
) -> Generator[Passed]:
    """Run batches through a network, and take features of some layers.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was when the iterator
            ends or is closed.
        layers: names out of `model.named_modules()`.
        batches: of images as the model takes them, with labels in `0 … K-1`.
        takers: from maps to features; they see maps as an exit does, before a later layer may
            change them in place.
        most: samples after which no further batch is read.
        name: of the samples, for errors.

    Yields:
        Each batch.

    Raises:
        InvalidValueError: for no batch, labels out of range, or outputs that are not logits.
        LayerError: where a layer is missing or does not run.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> batches = [(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 1]))]
        >>> [own.shapes for own in passes(model, ["0"], batches, [torch.clone])]
        [[(4,)]]
    """
    device = device_of(model)
    count = 0
    with guest(model), ExitStack() as stack:
        readers = [stack.enter_context(_reader(model, layer, takers)) for layer in layers]
        for batch in batches:
            images, labels = pair_of(batch, name)
            images = images.to(device)
            with torch.no_grad():  # no inference mode: heads are fitted to what is read
                logits = _logits(model(images), labels)
            seen = [_last(own, layer) for own, layer in zip(readers, layers, strict=True)]
            taken = {take: [features[take] for features, _ in seen] for take in takers}
            shapes = [shape for _, shape in seen]
            yield Passed(taken, shapes, logits, labels.cpu().long(), images)
            count += len(labels)
            if most is not None and count >= most:
                break
    if not count:
        raise InvalidValueError(f"{name}: expected at least one sample, got none")


Seen = tuple[dict[Take, Tensor], tuple[int, ...]]
"""Features of a batch at a layer, and a sample's shape of its maps."""


@contextmanager
def _reader(model: nn.Module, layer: str, takers: Collection[Take]) -> Iterator[list[Seen]]:
    """Take features as soon as maps are there."""
    seen: list[Seen] = []

    def read(_module: nn.Module, _inputs: Any, output: Any) -> None:
        maps = first_tensor(output, layer)
        seen.append(({take: take(maps).clone() for take in takers}, tuple(maps.shape[1:])))

    with hooked(model, layer, untraced(read)):
        yield seen


def _last(seen: list[Seen], layer: str) -> Seen:
    if not seen:
        raise LayerError(f"layer {layer!r}: did not run in the model's forward pass")
    last = seen[-1]
    seen.clear()
    return last


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
