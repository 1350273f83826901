"""Early exits for a trained network: heads fitted, layers and thresholds chosen, a promise kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.early_exit.fitting import fit_head
from imprint.early_exit.heads import Head, HeadKind
from imprint.early_exit.promise import Promise, Tally, steps_that_hold
from imprint.early_exit.readings import Readings
from imprint.early_exit.routes import (
    Costs,
    Outcomes,
    expected_seconds,
    first_exits,
    tally_of,
)
from imprint.early_exit.thresholds import finer, thresholds_at

__all__ = [
    "PRICES",
    "Choice",
    "Step",
    "TradeOff",
    "choose_exits",
    "choose_layers",
    "fit_heads",
    "step_through",
]

PRICES = torch.logspace(-4, 1, 201, dtype=torch.float64)
"""Chance of a harm that all of a network's time is worth, from strict to loose."""

WORTH = 0.05
"""Share of the time still taken that a further layer must save: less may be chance."""


class Step(NamedTuple):
    """Thresholds, and what they come to.

    Attributes:
        thresholds: `(L,)`.
        tally: harms and gains.
        seconds: of a sample, predicted.
    """

    thresholds: Tensor
    tally: Tally
    seconds: float


class TradeOff(NamedTuple):
    """What time costs in accuracy.

    Attributes:
        time: share of the full network's, predicted.
        extra_error: over the full network's; below 0 the early answers are better.
        holds: whether the promise holds there.
    """

    time: float
    extra_error: float
    holds: bool


@dataclass(frozen=True)
class Choice:
    """What a calibration chose.

    Attributes:
        kind: who answers.
        layers: numbers of the chosen ones, ascending; none where no exit keeps the promise.
        thresholds: one a chosen layer.
        curve: what each step would come to on the samples that tested the promise.
    """

    kind: HeadKind
    layers: tuple[int, ...]
    thresholds: tuple[float, ...]
    curve: tuple[TradeOff, ...]


def fit_heads(fitted: Readings, *, seed: int = 0) -> dict[HeadKind, list[Head]]:
    """Fit a head of each kind at each layer.

    Args:
        fitted: of samples that the network was trained on.
        seed: of what is drawn in that.

    Returns:
        For each kind, a head a layer.

    Raises:
        InvalidValueError: for a class without a sample.

    Examples:
        >>> features = {"probe": [torch.eye(2)]}
        >>> heads = fit_heads(Readings(features, torch.eye(2), torch.tensor([0, 1]), []))
        >>> len(heads["probe"])
        1
    """
    classes = fitted.logits.shape[1]
    return {
        kind: [
            fit_head(own, fitted.labels, classes, kind, teacher=fitted.logits, seed=seed)
            for own in layers
        ]
        for kind, layers in fitted.features.items()
    }


def choose_exits(
    outcomes: Mapping[HeadKind, Outcomes],
    costs: Mapping[HeadKind, Costs],
    promise: Promise,
    *,
    tuning_share: float = 1 / 3,
    max_overhead: float | None = None,
    seed: int = 0,
) -> Choice:
    """Choose layers, the kind of head and thresholds that save most, as far as a promise holds.

    A part of the samples, drawn by the seed, chooses the kind of head, the layers, and a sequence
    of thresholds from strict to loose; the others test these, step by step, for as long as the
    promise holds.

    Args:
        outcomes: for each kind of head, of samples that the network was not trained on.
        costs: of the same layers with each kind of head.
        promise: what is to hold.
        tuning_share: of the samples that choose, in (0, 1).
        max_overhead: as for `choose_layers`.
        seed: that draws them.

    Returns:
        The choice.

    Raises:
        MissingExtraError: without `imprint[exits]`.

    Examples:
        >>> sure, right = torch.arange(3000.0)[None], torch.ones(1, 3000, dtype=torch.bool)
        >>> costs = Costs(torch.tensor([1.0]), torch.tensor([0.1]), 4.0)
        >>> outcomes = {"probe": Outcomes(sure, right, right[0])}
        >>> choose_exits(outcomes, {"probe": costs}, Promise()).layers
        (0,)
    """
    count = len(next(iter(outcomes.values())).full_right)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    tuning, testing = order.tensor_split([round(tuning_share * count)])
    tuned = {kind: own.of(samples=tuning) for kind, own in outcomes.items()}
    ladders = {kind: thresholds_at(tuned[kind], costs[kind].savings, PRICES) for kind in tuned}
    limit = promise.max_extra_error
    best = {
        kind: choose_layers(tuned[kind], ladders[kind], costs[kind], limit, max_overhead)
        for kind in tuned
    }
    kind = min(best, key=lambda own: best[own][1])
    layers = best[kind][0]
    tested, own_costs = outcomes[kind].of(layers=layers, samples=testing), costs[kind].of(layers)
    ladder = finer(ladders[kind][:, layers], tuned[kind].margins[layers])
    steps = list(step_through(tested, ladder, own_costs))
    holding = steps_that_hold((step.tally for step in steps), promise)
    curve = tuple(_trade_off(step, own_costs, k < holding) for k, step in enumerate(steps))
    if not holding or steps[holding - 1].seconds >= own_costs.whole:
        return Choice(kind, (), (), curve)
    return Choice(kind, tuple(layers), tuple(steps[holding - 1].thresholds.tolist()), curve)


def _trade_off(step: Step, costs: Costs, holds: bool) -> TradeOff:  # noqa: FBT001
    return TradeOff(step.seconds / costs.whole, step.tally.extra_error, holds)


def step_through(outcomes: Outcomes, thresholds: Tensor, costs: Costs) -> Iterator[Step]:
    """Go through thresholds from strict to loose, and say what they come to.

    Args:
        outcomes: of any samples; where a promise is tested on them, thresholds of others.
        thresholds: `(P, L)`, from strict to loose.
        costs: of the same layers.

    Yields:
        The steps, without repetitions.

    Examples:
        >>> margins, right = torch.tensor([[1.0, 2.0]]), torch.tensor([[False, True]])
        >>> outcomes = Outcomes(margins, right, torch.tensor([True, True]))
        >>> costs = Costs(torch.tensor([1.0]), torch.tensor([0.1]), 4.0)
        >>> steps = step_through(outcomes, torch.tensor([[2.0], [2.0], [1.0]]), costs)
        >>> [(step.tally.harms, round(step.seconds, 2)) for step in steps]
        [(0, 2.6), (1, 1.1)]
    """
    for own in torch.unique_consecutive(thresholds, dim=0):
        exits = first_exits(outcomes.margins, own)
        yield Step(own, tally_of(outcomes, exits), expected_seconds(exits, costs))


def choose_layers(
    outcomes: Outcomes,
    ladder: Tensor,
    costs: Costs,
    max_extra_error: float,
    max_overhead: float | None = None,
) -> tuple[list[int], float]:
    """Take layer after layer, each time the one that saves most, while that is 5 % or more.

    Args:
        outcomes: of samples that the promise is then not tested on.
        ladder: `(P, L)`, thresholds from strict to loose.
        costs: of the layers.
        max_extra_error: what the loosest thresholds may cost on these samples.
        max_overhead: share of the network's time that several layers may cost, where none of them
            answers; one alone may cost what it likes, as may a first network. None for no limit.

    Returns:
        The layers' numbers, ascending, and the seconds that a sample is predicted to take.

    Examples:
        >>> margins, right = torch.tensor([[1.0, 2.0]]), torch.tensor([[True, True]])
        >>> costs = Costs(torch.tensor([1.0]), torch.tensor([0.5]), 4.0)
        >>> ladder = torch.tensor([[2.0], [1.0]])
        >>> choose_layers(Outcomes(margins, right, right[0]), ladder, costs, 0.0)
        ([0], 1.5)
    """

    def seconds_with(layers: list[int]) -> float:
        own = outcomes.of(layers=layers)
        steps = step_through(own, ladder[:, layers], costs.of(layers))
        within = takewhile(lambda step: step.tally.extra_error <= max_extra_error, steps)
        return min((step.seconds for step in within), default=costs.whole)

    chosen: list[int] = []
    seconds = costs.whole
    while len(chosen) < len(outcomes.margins):
        rest = [layer for layer in range(len(outcomes.margins)) if layer not in chosen]
        if max_overhead is not None:
            rest = [own for own in rest if _affordable([*chosen, own], costs, max_overhead)]
        if not rest:
            break
        trials = {layer: seconds_with(sorted([*chosen, layer])) for layer in rest}
        layer = min(trials, key=lambda own: trials[own])
        if chosen and trials[layer] > (1 - WORTH) * seconds:
            break
        chosen, seconds = sorted([*chosen, layer]), trials[layer]
    return chosen, seconds


def _affordable(layers: list[int], costs: Costs, max_overhead: float) -> bool:
    """Whether several exits cost little enough where none answers; a single one always does."""
    paid = [layer for layer in layers if costs.overhead([layer]) > 0]
    return len(paid) <= 1 or costs.overhead(paid) <= max_overhead
