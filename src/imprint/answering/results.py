"""From early answers to what `result.json` holds: flat, with stable keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from imprint.answering.settings import ExitSettings
from imprint.answering.speed import Speed
from imprint.early_exit import EarlyExit
from imprint.training.results import versions
from imprint.types import ImageSet

__all__ = ["Answered", "result_of"]


@dataclass(frozen=True, eq=False)
class Answered:
    """All that early answers came to, before it is put into words.

    Attributes:
        part: the images that measured it.
        exits: that were calibrated.
        full: `(N,)`, int64, the full network's answers.
        early: `(N,)`, int64, the answers with exits.
        taken: `(N,)`, int64, the number of each answer's exit, that of all exits for the end.
        speeds: one a batch size.
        times: shares of the network's time, predicted, that an answer takes at each exit and at
            the end, with all heads up to there; empty where they are not known.
    """

    part: ImageSet
    exits: EarlyExit
    full: Tensor
    early: Tensor
    taken: Tensor
    speeds: Sequence[Speed]
    times: Sequence[float] = ()


def result_of(
    answered: Answered, settings: ExitSettings, *, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Put what early answers came to into what JSON can hold.

    Args:
        answered: all of it.
        settings: what was asked.
        seconds: of each stage.

    Returns:
        The result; `docs/early-exit.md` lists the keys.

    Examples:
        >>> import torch
        >>> part = ImageSet(torch.zeros(2, 1, 2, 2).byte(), torch.tensor([0, 1]), ("a", "b"))
        >>> rows = torch.tensor([0, 0])
        >>> answered = Answered(part, EarlyExit(()), rows, rows, rows, [])
        >>> result = result_of(answered, ExitSettings(), seconds={})
        >>> result["full_accuracy"], result["extra_error"]
        (0.5, 0.0)
    """
    labels = answered.part.labels
    full, early = ((own == labels).double() for own in (answered.full, answered.early))
    speeds = {str(speed.batch_size): speed for speed in answered.speeds}
    return {
        "command": "early-exit",
        "full_accuracy": float(full.mean()),
        "early_accuracy": float(early.mean()),
        "extra_error": float((full - early).mean()),
        "promised_extra_error": settings.max_extra_error,
        "confidence": settings.confidence,
        "tested_on": answered.exits.tested,
        "measured_on": len(labels),
        "agreement": float((answered.full == answered.early).double().mean()),
        "head": answered.exits.kind,
        "exits": _exit_rows(answered),
        "time_ratio": {size: speed.ratio for size, speed in speeds.items()},
        "latency_ratio": {size: speed.latency_ratio for size, speed in speeds.items()},
        "speed": [speed._asdict() for speed in answered.speeds],
        "curve": [point._asdict() for point in answered.exits.curve],
        "settings": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(settings).items()
        },
        "image_shape": list(answered.part.images.shape[1:]),
        "class_names": list(answered.part.class_names),
        "seconds": dict(seconds),
        "versions": versions(),
    }


def _exit_rows(answered: Answered) -> list[dict[str, Any]]:
    """A row an exit, then one for the network's end."""
    places, labels = answered.exits.places, answered.part.labels
    thresholds = [*(own.threshold for own in answered.exits.exits), None]
    times: Sequence[float | None] = answered.times or [None] * len(places)
    rows = []
    for number, (layer, threshold) in enumerate(zip(places, thresholds, strict=True)):
        here, time = answered.taken == number, times[number]
        share = float(here.double().mean())
        early, full = (
            float((own == labels)[here].double().mean()) if here.any() else None
            for own in (answered.early, answered.full)
        )
        rows.append(
            {
                "layer": layer,
                "share": share,
                "accuracy": early,
                "full_accuracy": full,
                "time_saved": None if time is None else share * (1 - time),
                "threshold": threshold,
            }
        )
    return rows
