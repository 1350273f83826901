"""The passes over a data set: what is summed up, and what is kept of each sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from imprint.data import normalisation as measure
from imprint.data import normalise
from imprint.errors import InvalidValueError
from imprint.exploration.rows import Chunk, Rows
from imprint.exploring import (
    NOISE,
    ClassMoments,
    Quality,
    digests,
    fences_of,
    outlier_scores,
    own_distances,
    quality,
    shrink,
)
from imprint.outputs import first_tensor
from imprint.signatures import signature
from imprint.taps import Tap, guest
from imprint.types import ImageSet, Normalisation

__all__ = ["Look", "Seen", "outlyingness", "read_all"]

VIEW = 64
"""Pixels of the longer side at which centroids are formed, at most."""

LEAST_PIXELS = 64
"""Pixels from which on an image can be told from noise."""


@dataclass(frozen=True)
class Look:
    """A network to look with.

    Attributes:
        model: any `nn.Module`.
        layer: where its signature is taken.
        normalisation: of the images that it takes; None measures it.
        class_names: of its answers, in order; None: those of the data.
    """

    model: nn.Module
    layer: str
    normalisation: Normalisation | None = None
    class_names: Sequence[str] | None = None


@dataclass
class Seen:
    """What the first pass leaves.

    Attributes:
        pixels: centroids of each part, by name, in [0, 255].
        view: channels, height and width of a centroid.
        digests: `(N,)`, int64.
        quality: four numbers a row.
        signatures: `(N, D)`, float32, or None without a network.
        answers: `(N,)`, int64, the network's answers as classes of the data; -1 where it answers
            with another class, -2 where it does not classify these; or None without a network.
    """

    pixels: dict[str, ClassMoments]
    view: tuple[int, int, int]
    digests: Tensor
    quality: Quality
    signatures: Tensor | None = None
    answers: Tensor | None = None

    @property
    def is_noise(self) -> Tensor:
        """`(N,)`, bool: whether neighbouring pixels have nothing to do with each other."""
        large = self.view[1] * self.view[2] >= LEAST_PIXELS
        return (self.quality.roughness >= NOISE) & large


def read_all(rows: Rows, first: ImageSet, look: Look | None) -> Seen:
    """Read all rows once.

    Args:
        rows: of all parts.
        first: the images that the normalisation is measured on.
        look: the network, or None.

    Returns:
        What was seen.

    Raises:
        LayerError: where the network has no such layer, before anything is read.

    Examples:
        >>> from imprint.exploration.rows import parts_of
        >>> images = ImageSet(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 0]), "a")
        >>> read_all(Rows(parts_of(images)), images, None).pixels["all"].counts
        tensor([2])
    """
    channels, height, width = shrink(first.images[:1], VIEW).shape[1:]
    size = channels * height * width
    moments = {name: ClassMoments(len(first.class_names), size) for name in rows.names}
    reader = None if look is None else _reader(look, first)

    def measure(chunk: Chunk) -> tuple[Tensor, ...]:
        moments[chunk.part].update(shrink(chunk.images, VIEW).flatten(1), chunk.labels)
        own = (digests(chunk.images), *quality(chunk.images))
        return own if reader is None else (*own, *reader(chunk))

    columns = rows.collect(measure)
    signatures, answers = columns[5:] or (None, None)
    view = (channels, height, width)
    return Seen(moments, view, columns[0], Quality(*columns[1:5]), signatures, answers)


def outlyingness(rows: Rows, seen: Seen) -> Tensor:
    """Score how far out each row lies.

    Args:
        rows: of all parts.
        seen: of the first pass.

    Returns:
        `(N,)`, in [0, 1]: by its distance to the centroid of its class in the first part, of
        signatures where there are some, else of pixels; noise by its roughness.

    Examples:
        >>> from imprint.exploration.rows import parts_of
        >>> images = ImageSet(torch.zeros(5, 1, 8, 8).byte(), torch.tensor([0] * 5), ("a",))
        >>> rows = Rows(parts_of(images))
        >>> outlyingness(rows, read_all(rows, images, None))
        tensor([0., 0., 0., 0., 0.])
    """
    first = rows.part == 0
    num_classes = next(iter(seen.pixels.values())).num_classes
    if seen.signatures is None:
        distances = _pixel_distances(rows, seen)
    else:
        moments = ClassMoments(num_classes, seen.signatures.shape[1])
        moments.update(seen.signatures[first], rows.labels[first])
        distances = own_distances(seen.signatures, rows.labels, moments.means)
    fences = fences_of(distances[first], rows.labels[first], num_classes)
    scores = outlier_scores(distances, rows.labels, fences)
    roughness = seen.quality.roughness
    noise = torch.maximum(scores.nan_to_num(0), roughness.clamp(0, 1))
    return torch.where(seen.is_noise, noise, scores)


def _pixel_distances(rows: Rows, seen: Seen) -> Tensor:
    centroids = seen.pixels[rows.names[0]].means

    def measure(chunk: Chunk) -> tuple[Tensor]:
        vectors = shrink(chunk.images, VIEW).flatten(1)
        return (own_distances(vectors, chunk.labels, centroids) / 255,)

    return rows.collect(measure)[0]


class _Reader:
    """Gives the signatures and the answers of a network for a chunk."""

    def __init__(self, look: Look, first: ImageSet) -> None:
        self._look = look
        self._scale = look.normalisation or measure(first.images)
        parameter = next(look.model.parameters(), torch.empty(0))
        self._device = parameter.device
        own = look.class_names or first.class_names
        place = {name: k for k, name in enumerate(first.class_names)}
        self._class_of = torch.tensor([place.get(name, -1) for name in own])

    @torch.inference_mode()
    def __call__(self, chunk: Chunk) -> tuple[Tensor, Tensor]:
        signatures, answers = [], []
        for images in torch.split(chunk.images, 256):
            floats = normalise(images.to(self._device), self._scale)
            with guest(self._look.model), Tap(self._look.model, self._look.layer) as tap:
                output = self._run(floats)
                signatures.append(signature(tap.maps).float().cpu())
            answers.append(self._answers(output))
        return _finite(torch.cat(signatures), self._look.layer), torch.cat(answers)

    def _run(self, floats: Tensor) -> Tensor:
        try:
            return first_tensor(self._look.model(floats), "the model's output")
        except (RuntimeError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            got = f"images {tuple(floats.shape)}, on which it failed: {reason}"
            raise InvalidValueError(
                f"model: expected one that takes the data, got {got}"
            ) from error

    def _answers(self, output: Tensor) -> Tensor:
        if output.ndim != 2 or output.shape[1] != len(self._class_of):
            return torch.full((len(output),), -2)
        return self._class_of[output.argmax(1).cpu()]


def _reader(look: Look, first: ImageSet) -> _Reader:
    reader = _Reader(look, first)
    images = first.images[:2]
    reader(Chunk("", torch.arange(len(images)), images, first.labels[:2]))
    return reader


def _finite(signatures: Tensor, layer: str) -> Tensor:
    if bool(signatures.isfinite().all()):
        return signatures
    count = int((~signatures.isfinite()).any(1).sum())
    raise InvalidValueError(
        f"model: expected finite maps at layer {layer!r}, got NaN or infinite ones for {count} of"
        f" {len(signatures)} images"
    )
