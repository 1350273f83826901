"""The way of an image through a network: its maps, the network's answer, what it looks at."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.seeing import LayerMaps, grad_cam, layer_maps, occlusion
from imprint.seeing.images import answers, check_images
from imprint.seeing.layer_names import split_run
from imprint.sight.settings import SeeSettings
from imprint.sight.subject import Subject
from imprint.taps import guest

__all__ = ["Unseen", "Way", "answer_names", "cam_layer", "way_of"]

ANSWERS = 5
"""Classes of an answer that are shown."""

CAM_TRIES = 12
"""Layers, from the last one back, of which one may serve for Grad-CAM."""

SMALL = 32
"""Pixels a side up to which the covering patch moves by one."""

STEPS = 28 * 64
"""Places in a row times pixels a side of a larger image: about as much work for each size."""

FEWEST_STEPS = 12
"""Places that it takes in a row at least."""


class Unseen(NamedTuple):
    """What could not be looked at, and why, in a sentence; empty for what could.

    Attributes:
        answer: the network's, and with it what it looks at.
        cam: by Grad-CAM.
    """

    answer: str = ""
    cam: str = ""


class Way(NamedTuple):
    """An image on its way through a network.

    Attributes:
        row: of the image, in the subject.
        maps: of each layer, `(1, C, H, W)`.
        probabilities: `(K,)`, float32, the softmax; None where the network does not classify.
        cam: `(H, W)`, in [0, 1]: where the network finds what speaks for its answer; or None.
        covered: `(H, W)`, how far the answer's probability falls when pixels are covered; or None.
    """

    row: int
    maps: tuple[LayerMaps, ...]
    probabilities: Tensor | None = None
    cam: Tensor | None = None
    covered: Tensor | None = None

    def best(self) -> list[tuple[int, float]]:
        """Give the most probable classes, at most five, with their probabilities."""
        if self.probabilities is None:
            return []
        values, classes = self.probabilities.topk(min(ANSWERS, len(self.probabilities)))
        return [(int(k), float(p)) for k, p in zip(classes, values, strict=True)]


def way_of(
    model: nn.Module, subject: Subject, row: int, *, settings: SeeSettings, cam: str | None
) -> tuple[Way, str]:
    """Follow one image through a network.

    Args:
        model: any `nn.Module`; it is left as it was.
        subject: holds the image.
        row: of the image.
        settings: name the layers.
        cam: the layer for Grad-CAM, or None.

    Returns:
        The way, and why there is no answer in it, or nothing.

    Raises:
        InvalidValueError: for images that the model does not take.
        LayerError: for layers that the model does not have, or that give no maps.

    Examples:
        >>> subject = Subject(torch.rand(1, 1, 8, 8))
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> way, why = way_of(model, subject, 0, settings=SeeSettings(), cam="0")
        >>> len(way.maps), len(way.best()), way.covered.shape
        (2, 2, torch.Size([8, 8]))
    """
    image = subject.taken(torch.tensor([row]))
    maps = layer_maps(model, image, layers=settings.layers)
    try:
        probabilities = _probabilities(model, image)
    except (InvalidValueError, LayerError) as error:
        return Way(row, maps), str(error)
    target = int(probabilities.argmax())
    covered = _covered(model, image, target, settings)
    heat = None if cam is None else grad_cam(model, cam, image, target).maps[0].cpu()
    return Way(row, maps, probabilities, heat, covered), ""


def _probabilities(model: nn.Module, image: Tensor) -> Tensor:
    with guest(model), torch.no_grad():
        taken = check_images(model, image, finite=False)
        found = answers(model, taken)[0].float().softmax(0).cpu()
    if not bool(found.isfinite().all()):
        raise InvalidValueError("model: expected finite logits from it, got NaN or infinity")
    return found


def _covered(model: nn.Module, image: Tensor, target: int, settings: SeeSettings) -> Tensor:
    height, width = image.shape[2:]
    side = settings.covered or max(1, min(height, width) // 6)
    window = (min(side, height), min(side, width))
    stride = min(*window, _stride(max(height, width)))
    falls = occlusion(
        model, image, target, patch=window, stride=stride, batch_size=settings.batch_size
    )
    return falls[0].cpu()


def _stride(side: int) -> int:
    """How far the patch moves at a time: the larger the image, the dearer each place."""
    steps = max(FEWEST_STEPS, STEPS // side)
    return 1 if side <= SMALL else max(1, side // steps)


def answer_names(ways: Sequence[Way], *known: Sequence[str]) -> tuple[str, ...]:
    """Name a network's answers.

    Args:
        ways: of some images.
        known: names of classes, the likeliest first.

    Returns:
        the first names of which there are as many as answers, else numbers; nothing where the
        network gives no answer.

    Examples:
        >>> way = Way(0, (), probabilities=torch.tensor([0.9, 0.1]))
        >>> answer_names([way], ("cat",), ("cat", "dog")), answer_names([way])
        (('cat', 'dog'), ('class 0', 'class 1'))
    """
    answered = [len(way.probabilities) for way in ways if way.probabilities is not None]
    if not answered:
        return ()
    fitting = (tuple(names) for names in known if len(names) == answered[0])
    return next(fitting, tuple(f"class {k}" for k in range(answered[0])))


def cam_layer(model: nn.Module, image: Tensor, names: Sequence[str]) -> tuple[str | None, str]:
    """Find the last layer that Grad-CAM can weigh.

    Args:
        model: any `nn.Module`; it is left as it was.
        image: `(1, C, H, W)`, as the model takes it.
        names: of layers that put out maps, in order of execution.

    Returns:
        its name, and nothing; or None, and why the last of them will not do.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> cam_layer(model, torch.rand(1, 1, 8, 8), ["0"])
        ('0', '')
    """
    reasons = []
    plain = dict.fromkeys(split_run(model, name)[0] for name in names)  # one that runs twice fails
    for name in reversed(list(plain)[-CAM_TRIES:]):
        try:
            grad_cam(model, name, image, 0)
        except (LayerError, InvalidValueError) as error:
            reasons.append(str(error))
        else:
            return name, ""
    return None, reasons[0] if reasons else "no layer puts out maps of more than one pixel"
