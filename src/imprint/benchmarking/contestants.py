"""A way to answer early, set beside others: how its answers come out, and what they cost."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.benchmarking.exit_speed import MethodExit
from imprint.early_exit import FIRST, Costs, FirstNetwork, Outcomes
from imprint.early_exit.answerers import AnyExit
from imprint.early_exit.exit_seconds import Answer, exit_seconds
from imprint.early_exit.published import FinalConfidence
from imprint.taps import guest

__all__ = ["Batches", "Contestant", "asked_first", "confidence_first"]

Batches = Sequence[tuple[Tensor, Tensor]]
"""Images as the model takes them, with their labels."""


class Contestant(NamedTuple):
    """A way to answer early at L places.

    Attributes:
        places: names of layers; `first network` before all of them.
        makers: from a threshold to an exit at each.
        tuned: how its answers come out on images that tune.
        measured: likewise, on those that measure.
        costs: in seconds.
        priced: whether thresholds are priced by what a place saves alone, as Imprint's are.
    """

    places: list[str]
    makers: list[Callable[[float], AnyExit]]
    tuned: Outcomes
    measured: Outcomes
    costs: Costs
    priced: bool


def asked_first(
    network: nn.Module,
    before: Contestant,
    tune_on: Batches,
    measure_on: Batches,
    *,
    between: Callable[[], Any] = lambda: None,
) -> Contestant:
    """Ask a small network before another way to answer early, sure by its margin.

    Args:
        network: gives logits `(N, K)`; it is left as it was.
        before: the other way.
        tune_on: images as the network takes them, with labels.
        measure_on: likewise.
        between: as for `exit_seconds`.

    Returns:
        Both as one.

    Examples:
        >>> none = Outcomes(torch.ones(0, 2), torch.ones(0, 2).bool(), torch.ones(2).bool())
        >>> before = Contestant([], [], none, none, Costs(torch.ones(0), torch.ones(0), 1.0), True)
        >>> batches = [(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]))]
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> asked_first(network, before, batches, batches).places
        ['first network']
    """
    shape = tuple(tune_on[0][0].shape[1:])
    make = partial(FirstNetwork, network, shape)
    with guest(network):
        return _behind(make, before, tune_on, measure_on, between)


def confidence_first(
    network: nn.Module,
    before: Contestant,
    tune_on: Batches,
    measure_on: Batches,
    *,
    classes: int,
    between: Callable[[], Any] = lambda: None,
) -> Contestant:
    """Ask a small network before the full one, sure by its largest softmax: plain confidence.

    Args:
        network: gives logits `(N, K)`; it is left as it was.
        before: any way to answer early, of whose layers none is used.
        tune_on: images as the network takes them, with labels.
        measure_on: likewise.
        classes: K.
        between: as for `exit_seconds`.

    Returns:
        The way, with one place.

    Examples:
        >>> none = Outcomes(torch.ones(0, 2), torch.ones(0, 2).bool(), torch.ones(2).bool())
        >>> before = Contestant([], [], none, none, Costs(torch.ones(0), torch.ones(0), 1.0), True)
        >>> batches = [(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]))]
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> confidence_first(network, before, batches, batches, classes=2).places
        ['first network']
    """
    shape = tuple(tune_on[0][0].shape[1:])
    make = partial(MethodExit, FIRST, shape, FinalConfidence(network), classes)
    alone = Contestant(
        places=[],
        makers=[],
        tuned=before.tuned.of(layers=[]),
        measured=before.measured.of(layers=[]),
        costs=before.costs.of([]),
        priced=False,
    )
    with guest(network):
        return _behind(make, alone, tune_on, measure_on, between)


def _behind(
    make: Callable[[float], AnyExit],
    before: Contestant,
    tune_on: Batches,
    measure_on: Batches,
    between: Callable[[], Any],
) -> Contestant:
    """A way with one more place before all others."""
    answer = make(torch.inf).answer
    images = tune_on[0][0]
    return Contestant(
        [FIRST, *before.places],
        [make, *before.makers],
        _before(answer, tune_on, before.tuned),
        _before(answer, measure_on, before.measured),
        before.costs.behind(exit_seconds(images, answer, between) / len(images)),
        before.priced,
    )


@torch.no_grad()
def _before(answer: Answer, batches: Batches, then: Outcomes) -> Outcomes:
    """How answers come out where they are given before others."""
    answers = [(answer(images), labels) for images, labels in batches]
    sure = torch.cat([own for (_, own), _ in answers])
    right = torch.cat([logits.argmax(1) == labels for (logits, _), labels in answers])
    return Outcomes(
        torch.cat([sure[None], then.margins]), torch.cat([right[None], then.right]), then.full_right
    )
