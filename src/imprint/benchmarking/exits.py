"""Ways to answer early side by side: accuracy against time, on the same network and images."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from imprint.benchmarking.contestants import Batches, Contestant, asked_first, confidence_first
from imprint.benchmarking.exit_choice import EXIT_METHODS, Chosen, choose_fastest
from imprint.benchmarking.exit_speed import MethodExit, measured_ratios
from imprint.early_exit import Costs, Outcomes, expected_seconds, first_exits, tally_of
from imprint.early_exit.answerers import AnyExit
from imprint.early_exit.calibration import step_through
from imprint.early_exit.checks import check_classes
from imprint.early_exit.costs import network_costs
from imprint.early_exit.exit_layers import exit_layers
from imprint.early_exit.exit_seconds import rest_of_network, seconds_a_sample
from imprint.early_exit.first_network import check_first
from imprint.early_exit.published import ExitMethod
from imprint.early_exit.readings import passes
from imprint.early_exit.routes import join_outcomes
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.shares import check_share
from imprint.stages import Stages
from imprint.taps import guest, maps_at
from imprint.training.results import versions

__all__ = ["bench_exits"]

TIMED = 8
"""Batches whose seconds are measured."""


def bench_exits(
    model: nn.Module,
    fit_on: Batches,
    tune_on: Batches,
    measure_on: Batches,
    *,
    methods: Sequence[str] = tuple(EXIT_METHODS),
    layers: Sequence[str] | None = None,
    smaller: Mapping[str, nn.Module] | None = None,
    max_extra_error: float = 0.005,
    on_stage: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Set ways to answer early side by side, and smaller networks beside them.

    All see the same maps. Each chooses its layers and its thresholds on `tune_on`: the fastest
    whose extra error is at most the limit there (no promise is asked of anyone). What they come to
    is measured on `measure_on`: answers on all of it, seconds at the limit on its first batches,
    each method in turn. Along the curves seconds are predicted from those to each layer and those
    that each method takes to answer there.

    Args:
        model: gives logits `(N, K)`; it is left as it was.
        fit_on: what it was trained on.
        tune_on: what it was not trained on.
        measure_on: likewise, other samples.
        methods: of `EXIT_METHODS`.
        layers: where rows may leave; None looks for some.
        smaller: trained networks of less compute that take the same images, by a name each; each
            is also asked first, before the first of the methods, and before the full network.
        max_extra_error: that the choice may show, in (0, 1).
        on_stage: called with the name of each stage as it begins.

    Returns:
        `full_accuracy`, `layers` with the share of time to each, and `methods`, a row each: layers,
        time and accuracy where the limit is kept, and the curve of all thresholds tried; `smaller`,
        a row a network: time and accuracy; `seconds` of each stage; `versions`.

    Raises:
        InvalidValueError: for an unknown method, a limit out of range, or a smaller network of
            other classes.
        LayerError: for a layer that will not do.

    Examples:
        >>> bench_exits(nn.Flatten(), [], [], [], methods=["hope"])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: methods: expected imprint-mlp, ... got 'hope'
    """
    _check_methods(methods)
    check_share("max_extra_error", max_extra_error)
    stages, networks = Stages(on_stage), smaller or {}
    example = fit_on[0][0]
    names = exit_layers(model, example, layers)
    classes = _checked_classes(model, networks, fit_on)
    learnt = {name: [EXIT_METHODS[name].build(classes) for _ in names] for name in methods}
    with stages("learn"):
        _learn(model, names, learnt, fit_on)
    with stages("answer"):
        tuned = _outcomes(model, names, learnt, tune_on)
        measured = _outcomes(model, names, learnt, measure_on)
    with stages("time"):
        alone = network_costs(model, names, example)
        between = rest_of_network(model, example)
        maps = {name: maps_at(model, name, example) for name in names}
        contestants = {}
        for name in methods:
            seen = (tuned[name], measured[name])
            contestants[name] = _contestant(
                name, learnt[name], seen, maps, alone, classes=classes, between=between
            )
    with stages("ask smaller networks first"):
        batches = (tune_on, measure_on)
        then, behind = methods[0], contestants[methods[0]]
        contestants |= _asked_before(
            networks, then, behind, batches, classes=classes, between=between
        )
    with stages("measure"):
        rows, beside = _compared(model, contestants, networks, measure_on, max_extra_error)
    shares = (alone.layers / alone.whole).tolist()
    return {
        "full_accuracy": float(measured[methods[0]].full_right.double().mean()),
        "layers": dict(zip(names, shares, strict=True)),
        "max_extra_error": max_extra_error,
        "methods": rows,
        "smaller": beside,
        "seconds": stages.seconds,
        "versions": versions(),
    }


def _check_methods(methods: Sequence[str]) -> None:
    for name in methods or ["none"]:
        if name not in EXIT_METHODS:
            raise InvalidValueError(f"methods: expected {', '.join(EXIT_METHODS)}; got {name!r}")


@torch.no_grad()
def _checked_classes(model: nn.Module, networks: Mapping[str, nn.Module], fit_on: Batches) -> int:
    """How many classes the network answers with, as smaller ones do; each has a sample."""
    images = fit_on[0][0][:2]
    for network in networks.values():
        check_first(network, model, images)
    with guest(model):
        classes = first_tensor(model(images), "the model").shape[1]
    check_classes(torch.cat([labels for _, labels in fit_on]), classes, "fit_on")
    return classes


def _contestant(
    name: str,
    methods: Sequence[ExitMethod],
    seen: tuple[Outcomes, Outcomes],
    maps: Mapping[str, Tensor],
    alone: Costs,
    *,
    classes: int,
    between: Callable[[], None],
) -> Contestant:
    """A method that has learnt at each layer, with its outcomes and what it costs there."""
    makers: list[Callable[[float], AnyExit]] = [
        partial(MethodExit, layer, tuple(own.shape[1:]), method, classes)
        for (layer, own), method in zip(maps.items(), methods, strict=True)
    ]
    answers = [make(torch.inf).answer for make in makers]
    heads = seconds_a_sample(list(maps.values()), answers, between)
    costs = alone._replace(heads=heads)
    return Contestant(list(maps), makers, *seen, costs, EXIT_METHODS[name].priced)


def _asked_before(
    networks: Mapping[str, nn.Module],
    then: str,
    behind: Contestant,
    batches: tuple[Batches, Batches],
    *,
    classes: int,
    between: Callable[[], None],
) -> dict[str, Contestant]:
    """Smaller networks before a way to answer early, and before the full network alone."""
    found = {}
    for name, network in networks.items():
        found[f"{name}, then {then}"] = asked_first(network, behind, *batches, between=between)
        found[f"{name}'s confidence"] = confidence_first(
            network, behind, *batches, classes=classes, between=between
        )
    return found


def _compared(
    model: nn.Module,
    contestants: Mapping[str, Contestant],
    networks: Mapping[str, nn.Module],
    batches: Batches,
    max_extra_error: float,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row a contestant at its fastest within the limit, and one a smaller network, in turn."""
    chosen = {
        name: choose_fastest(own.tuned, own.costs, max_extra_error, priced=own.priced)
        for name, own in contestants.items()
    }
    opened = {
        name: _opened(contestants[name], own)
        for name, own in chosen.items()
        if own.step is not None
    }
    ratios = measured_ratios(model, opened, networks, [images for images, _ in batches[:TIMED]])
    rows = [
        _row(name, chosen[name], own, ratios.get(name, {})) for name, own in contestants.items()
    ]
    beside = [
        {"network": name, "accuracy": _accuracy(own, batches)} | ratios[name]
        for name, own in networks.items()
    ]
    return rows, beside


def _opened(contestant: Contestant, chosen: Chosen) -> list[AnyExit]:
    """The exits that it chose."""
    assert chosen.step is not None  # noqa: S101 - within the limit
    pairs = zip(chosen.layers, chosen.step.thresholds.tolist(), strict=True)
    return [contestant.makers[place](threshold) for place, threshold in pairs]


@torch.no_grad()
def _accuracy(model: nn.Module, batches: Batches) -> float:
    with guest(model):
        right = [first_tensor(model(images), "smaller").argmax(1) == own for images, own in batches]
    return float(torch.cat(right).double().mean())


Learnt = Mapping[str, Sequence[ExitMethod]]


def _maps(maps: Tensor) -> Tensor:
    return maps


def _learn(model: nn.Module, names: Sequence[str], learnt: Learnt, batches: Batches) -> None:
    most = max(method.epochs for own in learnt.values() for method in own)
    for number in range(most):
        for batch in passes(model, names, batches, (_maps,)):
            for own in learnt.values():
                for method, maps in zip(own, batch.features[_maps], strict=True):
                    if number < method.epochs:
                        method.learn(maps, batch.labels)


@torch.no_grad()
def _outcomes(
    model: nn.Module, names: Sequence[str], learnt: Learnt, batches: Batches
) -> dict[str, Outcomes]:
    """How each method's answers come out at each layer."""
    found: dict[str, list[Outcomes]] = {name: [] for name in learnt}
    for batch in passes(model, names, batches, (_maps,)):
        full_right = batch.logits.argmax(1) == batch.labels
        for name, own in learnt.items():
            pairs = zip(own, batch.features[_maps], strict=True)
            answers = [method.answer(maps) for method, maps in pairs]
            sureness = torch.stack([each.sureness for each in answers])
            right = torch.stack([each.labels == batch.labels for each in answers])
            found[name].append(Outcomes(sureness, right, full_right))
    return {name: join_outcomes(parts) for name, parts in found.items()}


def _row(name: str, chosen: Chosen, own: Contestant, ratios: Mapping[str, float]) -> dict[str, Any]:
    """What a contestant comes to: at the limit, and along its curve."""
    part, costs = own.measured.of(layers=chosen.layers), own.costs.of(chosen.layers)
    steps = step_through(part, chosen.ladder, costs)
    return {
        "method": name,
        "layers": [own.places[layer] for layer in chosen.layers],
        "at_limit": None
        if chosen.step is None
        else {**_point(part, chosen.step.thresholds, costs), **ratios},
        "curve": [_point(part, step.thresholds, costs) for step in steps],
    }


def _point(part: Outcomes, thresholds: Tensor, costs: Costs) -> dict[str, float]:
    """Time, accuracy and extra error on the images that measure."""
    exits = first_exits(part.margins, thresholds)
    extra = tally_of(part, exits).extra_error
    return {
        "time": expected_seconds(exits, costs) / costs.whole,
        "accuracy": float(part.full_right.double().mean()) - extra,
        "extra_error": extra,
    }
