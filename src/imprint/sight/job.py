"""See a network: from images to all that is seen of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.seeing import landmarks, layer_health, layer_maps
from imprint.seeing.extra import captum_attr
from imprint.seeing.layer_names import check_layers
from imprint.sight.evolution import evolution_of
from imprint.sight.patches import LayerPatches, check_channels, layer_patches
from imprint.sight.record import Sight
from imprint.sight.results import Seen, result_of
from imprint.sight.settings import SeeSettings
from imprint.sight.subject import Subject, subject_of
from imprint.sight.ways import Unseen, Way, answer_names, cam_layer, way_of
from imprint.stages import Stages
from imprint.training import KeptMaps
from imprint.types import Normalisation

__all__ = ["see"]


def see(
    model: nn.Module,
    images: Any,
    *,
    image: Tensor | None = None,
    normalisation: Normalisation | None = None,
    class_names: Sequence[str] = (),
    settings: SeeSettings | None = None,
    kept: Sequence[KeptMaps] = (),
    name: str = "",
    on_stage: Callable[[str], None] = lambda _: None,
) -> Sight:
    """Look at a network: images on their way through it, what it looks at, how well it is.

    Args:
        model: any `nn.Module`; it runs in eval mode where it is, and is left as it was.
        images: an `ImageSet`; a part of what `imprint.data.survey` gives; `(N, C, H, W)`, bytes or
            floats, the latter as the model takes them; or any map-style data set of
            `(image, label)`, which is taken into memory.
        image: `(C, H, W)`, of the same type: the one whose way is shown; None takes some of the
            images, of different classes.
        normalisation: of bytes; None measures it on the images.
        class_names: of the model's answers; where there are not as many as it gives, those of the
            images count, and where these do not fit either, its answers are numbered.
        settings: how; None takes the usual ones.
        kept: what `imprint train --keep-maps` left, see `imprint.training.read_kept_maps`.
        name: of the network, for result and report.
        on_stage: called with the name of each stage as it begins.

    Returns:
        What was seen.

    Raises:
        ImprintError: for images, layers or channels that the model does not take or have, and a
            model without maps.

    Source: Zeiler & Fergus (2014), "Visualizing and understanding convolutional networks".

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> sight = see(model, torch.rand(16, 1, 8, 8))
        >>> [(row["name"], row["kind"], row["channels"]) for row in sight.result["layers"]]
        [('0', 'Conv2d', 4), ('1', 'ReLU', 4)]
    """
    settings = settings or SeeSettings()
    captum_attr()
    model = _uncompiled(model)
    check_layers(model, settings.layers)
    subject = subject_of(images, normalisation, most=settings.images)
    walked = subject if image is None else _alone(image, subject)
    stages = Stages(on_stage)
    with stages("ways"):
        ways, unseen, cam = _ways(model, walked, settings)
    with stages("patches"):
        patches = _patches(model, subject, settings)
    with stages("health"):
        batches = subject.batches(settings.batch_size)
        health = layer_health(model, batches, layers=settings.layers)
    names = answer_names(ways, class_names, subject.class_names)
    seen = Seen(subject, walked, ways, unseen, cam, patches, health, evolution_of(kept), names)
    return Sight(seen, result_of(seen, settings, name=name, seconds=stages.seconds))


def _alone(image: Tensor, subject: Subject) -> Subject:
    """The one picture, as a subject of its own."""
    shape, kind = subject.pixels.shape[1:], subject.pixels.dtype
    if not isinstance(image, Tensor) or image.dtype != kind or image.shape != shape:
        is_tensor = isinstance(image, Tensor)
        got = f"{tuple(image.shape)} of {image.dtype}" if is_tensor else type(image).__name__
        expected = f"{tuple(shape)} of {kind}, as the images"
        raise InvalidValueError(f"image: expected {expected}, got {got}")
    return Subject(image[None], subject.scale, names=("the picture",))


def _uncompiled(model: nn.Module) -> nn.Module:
    """The network that `torch.compile` was given: hooks would have it compiled anew each time."""
    plain = getattr(model, "_orig_mod", model)
    return plain if isinstance(plain, nn.Module) else model


def _ways(
    model: nn.Module, walked: Subject, settings: SeeSettings
) -> tuple[tuple[Way, ...], Unseen, str | None]:
    """The ways of some images, what cannot be seen, and the layer of Grad-CAM."""
    rows = walked.chosen(settings.ways)
    first = walked.taken(torch.tensor(rows[:1]))
    maps = layer_maps(model, first, layers=settings.layers)
    check_channels(maps, settings.channels)
    wide = [row.name for row in maps if settings.layers or row.shape[1:] != (1, 1)]
    cam, problem = cam_layer(model, first, wide)
    ways, whys = zip(
        *(way_of(model, walked, row, settings=settings, cam=cam) for row in rows), strict=True
    )
    return ways, Unseen(whys[0], problem), cam


def _patches(model: nn.Module, subject: Subject, settings: SeeSettings) -> tuple[LayerPatches, ...]:
    """The top patches of some layers; of a single image there are none."""
    if len(subject) < 2:
        return ()
    layers = settings.layers or landmarks(model, subject.taken(slice(1)))
    return tuple(layer_patches(model, layer, subject, settings) for layer in layers)
