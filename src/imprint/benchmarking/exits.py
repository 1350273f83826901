"""Ways to answer early side by side: accuracy against time, on the same network and images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.early_exit import (
    Costs,
    Outcomes,
    expected_seconds,
    first_exits,
    tally_of,
    thresholds_at,
)
from imprint.early_exit.calibration import PRICES, Step, choose_layers, step_through
from imprint.early_exit.costs import answer_seconds, exit_layers, network_costs
from imprint.early_exit.published import (
    ClassMeans,
    ExitMethod,
    LinearHeads,
    SignatureCache,
    TrainedExit,
)
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.stages import Stages
from imprint.taps import Tap, clock_of, guest, maps_at
from imprint.training.results import versions

__all__ = ["EXIT_METHODS", "Batches", "bench_exits"]

Batches = Sequence[tuple[Tensor, Tensor]]
"""Images as the model takes them, with their labels."""


class Way(NamedTuple):
    """A method and how its thresholds are chosen.

    Attributes:
        build: for a number of classes.
        priced: a threshold a layer, as Imprint's calibration has it; else one for all layers.
    """

    build: Callable[[int], ExitMethod]
    priced: bool


EXIT_METHODS: dict[str, Way] = {
    "imprint-grid": Way(partial(LinearHeads, kind="grid"), priced=True),
    "imprint-probe": Way(partial(LinearHeads, kind="probe"), priced=True),
    "imprint-prototype": Way(partial(LinearHeads, kind="prototype"), priced=True),
    "branchynet": Way(TrainedExit, priced=False),
    "e2cm": Way(ClassMeans, priced=False),
    "park-kim": Way(SignatureCache, priced=False),
}
"""By the names that users give; a further one is one more line."""


def bench_exits(
    model: nn.Module,
    fit_on: Batches,
    tune_on: Batches,
    measure_on: Batches,
    *,
    methods: Sequence[str] = tuple(EXIT_METHODS),
    layers: Sequence[str] | None = None,
    max_extra_error: float = 0.005,
    on_stage: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Set ways to answer early side by side.

    All see the same maps. Each chooses its layers and its thresholds on `tune_on`: the fastest
    whose extra error is at most the limit there (no promise is asked of anyone). What they come to
    is measured on `measure_on`; seconds are predicted from those measured to each layer and those
    that each method takes to answer there.

    Args:
        model: gives logits `(N, K)`; it is left as it was.
        fit_on: what it was trained on.
        tune_on: what it was not trained on.
        measure_on: likewise, other samples.
        methods: of `EXIT_METHODS`.
        layers: where rows may leave; None looks for some.
        max_extra_error: in (0, 1).
        on_stage: called with the name of each stage as it begins.

    Returns:
        `full_accuracy`, `layers` with the share of time to each, and `methods`, a row each: time
        and accuracy where the limit is kept, and the curve of all thresholds tried; `seconds` of
        each stage; `versions`.

    Raises:
        InvalidValueError: for an unknown method.
        LayerError: for a layer that will not do.

    Examples:
        >>> bench_exits(nn.Flatten(), [], [], [], methods=["hope"])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: methods: expected imprint-grid, ... got 'hope'
    """
    for name in methods:
        if name not in EXIT_METHODS:
            raise InvalidValueError(f"methods: expected {', '.join(EXIT_METHODS)}; got {name!r}")
    stages = Stages(on_stage)
    example = fit_on[0][0]
    names = exit_layers(model, example, layers)
    classes = _classes(model, example)
    learnt = {name: [EXIT_METHODS[name].build(classes) for _ in names] for name in methods}
    with stages("learn"):
        _learn(model, names, learnt, fit_on)
    with stages("answer"):
        tuned = _outcomes(model, names, learnt, tune_on)
        measured = _outcomes(model, names, learnt, measure_on)
    with stages("time"):
        costs = _costs(model, names, learnt, example)
    rows = [
        _row(name, tuned[name], measured[name], costs[name], max_extra_error) for name in methods
    ]
    any_costs = costs[methods[0]]
    return {
        "full_accuracy": float(measured[methods[0]].full_right.double().mean()),
        "layers": {
            name: float(own / any_costs.whole)
            for name, own in zip(names, any_costs.layers, strict=True)
        },
        "max_extra_error": max_extra_error,
        "methods": rows,
        "seconds": stages.seconds,
        "versions": versions(),
    }


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor) -> int:
    with guest(model):
        return int(first_tensor(model(images[:2]), "the model").shape[1])


Learnt = Mapping[str, Sequence[ExitMethod]]


@contextmanager
def _tapped(model: nn.Module, names: Sequence[str]) -> Iterator[list[Tap]]:
    with guest(model), torch.no_grad(), ExitStack() as stack:
        yield [stack.enter_context(Tap(model, name)) for name in names]


def _learn(model: nn.Module, names: Sequence[str], learnt: Learnt, batches: Batches) -> None:
    most = max(method.passes for own in learnt.values() for method in own)
    for number in range(most):
        with _tapped(model, names) as taps:
            for images, labels in batches:
                model(images)
                for own in learnt.values():
                    for method, tap in zip(own, taps, strict=True):
                        if number < method.passes:
                            method.learn(tap.maps, labels)


def _outcomes(
    model: nn.Module, names: Sequence[str], learnt: Learnt, batches: Batches
) -> dict[str, Outcomes]:
    """How each method's answers come out at each layer."""
    full: list[Tensor] = []
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in learnt}
    with _tapped(model, names) as taps:
        for images, labels in batches:
            full.append(first_tensor(model(images), "the model").argmax(1) == labels)
            for name, own in learnt.items():
                answers = [m.answer(tap.maps) for m, tap in zip(own, taps, strict=True)]
                confidence = torch.stack([each.confidence for each in answers])
                right = torch.stack([each.labels == labels for each in answers])
                found[name].append((confidence, right))
    return {
        name: Outcomes(
            torch.cat([confidence for confidence, _ in parts], dim=1),
            torch.cat([right for _, right in parts], dim=1),
            torch.cat(full),
        )
        for name, parts in found.items()
    }


def _costs(
    model: nn.Module, names: Sequence[str], learnt: Learnt, images: Tensor
) -> dict[str, Costs]:
    """Seconds of a sample to each layer and to the end, and of each method's answer there."""
    clock, network = clock_of(images.device), network_costs(model, names, images)
    maps = [maps_at(model, name, images) for name in names]

    def seconds(method: ExitMethod, own: Tensor) -> float:
        return answer_seconds(own, lambda rows: method.answer(rows).confidence, clock)

    return {
        name: network._replace(
            heads=torch.tensor([seconds(m, own) for m, own in zip(methods, maps, strict=True)])
            / len(images)
        )
        for name, methods in learnt.items()
    }


def _row(
    name: str, tuned: Outcomes, measured: Outcomes, costs: Costs, limit: float
) -> dict[str, Any]:
    """What a method comes to: at the limit, and along its curve."""
    ladder = _ladder(name, tuned, costs)
    layers, _ = choose_layers(tuned, ladder, costs, limit)
    own = costs.of(layers)
    steps = step_through(tuned.of(layers=layers), ladder[:, layers], own)
    within = [step for step in steps if _extra(step) <= limit]
    chosen = min(within, key=lambda step: step.seconds, default=None)
    part = measured.of(layers=layers)
    curve = [_point(part, step, own) for step in steps]
    at_limit = None if chosen is None else _point(part, chosen, own)
    return {"method": name, "layers": layers, "at_limit": at_limit, "curve": curve}


def _ladder(name: str, tuned: Outcomes, costs: Costs) -> Tensor:
    """Thresholds from strict to loose, `(P, L)`."""
    if EXIT_METHODS[name].priced:
        return thresholds_at(tuned, costs.savings, PRICES)
    sure = tuned.margins[tuned.margins.isfinite()]
    common = sure.float().quantile(torch.linspace(1, 0, len(PRICES)))
    return common[:, None].expand(-1, len(tuned.margins))


def _extra(step: Step) -> float:
    return (step.tally.harms - step.tally.gains) / step.tally.samples


def _point(part: Outcomes, step: Step, costs: Costs) -> dict[str, float]:
    """Time, accuracy and extra error on the images that measure."""
    exits = first_exits(part.margins, step.thresholds)
    tally = tally_of(part, exits)
    extra = (tally.harms - tally.gains) / tally.samples
    return {
        "time": expected_seconds(exits, costs) / costs.whole,
        "accuracy": float(part.full_right.double().mean()) - extra,
        "extra_error": extra,
    }
