"""Early exits for a trained network: calibrated, measured on other images, shown."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from imprint.answering.record import EarlyExitResult
from imprint.answering.results import Answered, result_of
from imprint.answering.settings import ExitSettings
from imprint.answering.speed import measure_speed, measured_images
from imprint.data import drawn_groups, normalise
from imprint.early_exit import EarlyExit, Exit, Route
from imprint.early_exit.costs import measure_costs
from imprint.early_exit.overlap import warn_of_overlap
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.stages import Stages
from imprint.taps import device_of, guest
from imprint.types import ImageSet, Normalisation

__all__ = ["answer_early"]


def answer_early(
    model: nn.Module,
    trained_on: ImageSet,
    held_out: ImageSet,
    normalisation: Normalisation,
    *,
    first: nn.Module | None = None,
    settings: ExitSettings | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> EarlyExitResult:
    """Calibrate early exits on a part of held-out images, and measure them on the rest.

    Args:
        model: takes normalised images and gives logits, one a class; it is left as it was.
        trained_on: what it was trained on.
        held_out: what it was not trained on, of the same classes.
        normalisation: of the images that it takes.
        first: a smaller network, trained on the same images, that is asked before the model; None
            for none.
        settings: how; None takes the usual ones.
        on_stage: called with the name of each stage as it begins.

    Returns:
        The exits and what they came to.

    Raises:
        ImprintError: for data or a model that will not do, and too few held-out images.
        MissingExtraError: without `imprint[exits]`.

    Examples:
        >>> few, other = (
        ...     ImageSet(torch.zeros(4, 1, 2, 2).byte(), torch.tensor([0, 1] * 2), ("a", "b"))
        ...     for _ in range(2)
        ... )
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> answer_early(model, few, other, Normalisation((0.0,), (1.0,)))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: promise_on: expected at least 929 held-out samples...
    """
    settings = settings or ExitSettings()
    fitting, held = (replace(part, normalisation=normalisation) for part in (trained_on, held_out))
    if held.class_names != fitting.class_names:
        got = ", ".join(held.class_names[:6])
        raise InvalidValueError(f"held_out: expected the classes of trained_on, got {got}")
    warn_of_overlap(trained_on, held_out)
    calibrating, measuring = _shares(held, settings)
    stages = Stages(on_stage)
    with stages("calibrate"):
        exits = EarlyExit.calibrate(
            model,
            fit_on=fitting,
            promise_on=calibrating,
            first=first,
            max_extra_error=settings.max_extra_error,
            max_overhead=settings.max_overhead,
            confidence=settings.confidence,
            layers=settings.layers or None,
            kinds=settings.kinds,
            batch_size=settings.batch_size,
            seed=settings.seed,
        )
    device = device_of(model)

    def scaled(pixels: Tensor) -> Tensor:
        return normalise(pixels, normalisation, channels_last=True).to(device)

    with guest(first) if first is not None else nullcontext():
        with stages("answer"):
            batches = torch.split(measuring.images, settings.batch_size)
            full, early, taken = _answers(model, exits, batches, scaled)
        with stages("time"):
            count = len(measuring)
            sizes = [size for size in settings.measured_batches if size <= count] or [count]
            images = scaled(measuring.images[: max(map(measured_images, sizes))])
            speeds = [measure_speed(model, exits, images, size) for size in sizes]
            times = _times(model, exits, scaled(batches[0]))
    answered = Answered(measuring, exits, full, early, taken, speeds, times)
    return EarlyExitResult(answered, result_of(answered, settings, seconds=stages.seconds))


def _times(model: nn.Module, exits: EarlyExit, batch: Tensor) -> list[float]:
    """Shares of the network's time that an answer takes at each exit, and at the end."""
    if not exits.exits:
        return [1.0]
    own = [each for each in exits.exits if isinstance(each, Exit)]
    heads = {exits.kind: [each.head for each in own]}
    layers = [each.layer for each in own]
    costs = measure_costs(model, layers, batch, heads, exits.first)[exits.kind]
    paid = costs.heads.cumsum(0)
    seconds = costs.ends + torch.cat([paid, paid[-1:]])
    return [float(own) for own in seconds / costs.whole]


def _shares(held: ImageSet, settings: ExitSettings) -> tuple[ImageSet, ImageSet]:
    """What calibrates and what measures, drawn by the seed; groups, such as tracks, stay whole."""
    share, seed = settings.calibration_share, settings.seed
    calibrating = drawn_groups(len(held), held.groups, share=share, seed=seed)
    if not 0 < int(calibrating.sum()) < len(held):
        count = len(held) if held.groups is None else len(held.groups.unique())  # type: ignore[no-untyped-call]
        kind = "images" if held.groups is None else "tracks"
        got = f"{share:g} of {count} {kind}"
        raise InvalidValueError(f"calibration_share: expected {kind} in both shares, got {got}")
    return held.taken(calibrating), held.taken(~calibrating)


@torch.inference_mode()
def _answers(
    model: nn.Module,
    exits: EarlyExit,
    batches: Sequence[Tensor],
    scaled: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Answers of the full network, early ones, and where they came from, each `(N,)`."""
    routes: list[Route] = []

    def labels() -> Tensor:
        outputs = (first_tensor(model(scaled(batch)), "the model") for batch in batches)
        return torch.cat([logits.argmax(1) for logits in outputs])

    with guest(model):
        full = labels()
        with exits(model, routes.append):
            early = labels()
    return full.cpu(), early.cpu(), torch.cat([route.taken for route in routes]).cpu()
