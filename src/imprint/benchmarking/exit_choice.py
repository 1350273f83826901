"""The ways to answer early, and what each chooses on images that tune."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.early_exit import Costs, Outcomes, finer, thresholds_at
from imprint.early_exit.calibration import PRICES, Step, choose_layers, step_through
from imprint.early_exit.published import (
    ClassMeans,
    ExitMethod,
    FittedHead,
    SignatureCache,
    TrainedExit,
)

__all__ = ["EXIT_METHODS", "Chosen", "choose_fastest"]


class Way(NamedTuple):
    """A method and how its thresholds are chosen.

    Attributes:
        build: for a number of classes.
        priced: a threshold a layer, as Imprint's calibration has it; else one for all layers as
            well, and the better of the two is taken.
    """

    build: Callable[[int], ExitMethod]
    priced: bool


EXIT_METHODS: dict[str, Way] = {
    "imprint-mlp": Way(partial(FittedHead, kind="mlp"), priced=True),
    "imprint-probe": Way(partial(FittedHead, kind="probe"), priced=True),
    "imprint-prototype": Way(partial(FittedHead, kind="prototype"), priced=True),
    "branchynet": Way(TrainedExit, priced=False),
    "e2cm": Way(ClassMeans, priced=False),
    "park-kim": Way(SignatureCache, priced=False),
}
"""By the names that users give; a further one is one more line."""


class Chosen(NamedTuple):
    """What a method chose on the images that tune.

    Attributes:
        layers: numbers of L.
        ladder: `(P, L)`, the thresholds tried, from strict to loose.
        step: the fastest within the limit; None where none is faster than the network alone.
    """

    layers: list[int]
    ladder: Tensor
    step: Step | None


def choose_fastest(tuned: Outcomes, costs: Costs, limit: float, *, priced: bool) -> Chosen:
    """Choose a method's layers and thresholds: the fastest whose extra error is within a limit.

    Methods with one threshold for all layers are also given one a layer, as ours have, and keep
    what is faster.

    Args:
        tuned: outcomes at each layer on the images that tune.
        costs: of the method's answers at each layer.
        limit: of the extra error.
        priced: whether thresholds are priced by what a layer saves alone, as ours are.

    Returns:
        The choice.

    Examples:
        >>> sure, right = torch.arange(300.0)[None], torch.ones(1, 300, dtype=torch.bool)
        >>> costs = Costs(torch.tensor([1.0]), torch.tensor([0.1]), 4.0)
        >>> choose_fastest(Outcomes(sure, right, right[0]), costs, 0.005, priced=True).layers
        [0]
    """
    ladders = [thresholds_at(tuned, costs.savings, PRICES)]
    if not priced:
        ladders.append(_common(tuned))
    trials = [_fastest(ladder, tuned, costs, limit) for ladder in ladders]
    return min(trials, key=lambda own: own.step.seconds if own.step else costs.whole)


def _fastest(ladder: Tensor, tuned: Outcomes, costs: Costs, limit: float) -> Chosen:
    layers, _ = choose_layers(tuned, ladder, costs, limit)
    own = finer(ladder[:, layers], tuned.margins[layers])
    steps = step_through(tuned.of(layers=layers), own, costs.of(layers))
    within = [
        step for step in steps if step.tally.extra_error <= limit and step.seconds < costs.whole
    ]
    fastest = min(within, key=lambda step: step.seconds, default=None)
    return Chosen(layers, own, fastest)


def _common(tuned: Outcomes) -> Tensor:
    """One threshold for all layers, from strict to loose, `(P, L)`."""
    sure = tuned.margins[tuned.margins.isfinite()]
    if not len(sure):  # of a network that gives NaN
        return torch.full((1, len(tuned.margins)), torch.inf)
    common = sure.float().quantile(torch.linspace(1, 0, len(PRICES)))
    return common[:, None].expand(-1, len(tuned.margins))
