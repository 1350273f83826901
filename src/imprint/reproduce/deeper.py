"""The paper's future work on depth: similarity and maps from each stage of a ResNet-20."""

from dataclasses import replace
from math import isnan
from statistics import mean
from typing import Any

import torch

from imprint.intervals import interval
from imprint.on_maps import map_planes
from imprint.report import Chart, Look, seed_bars
from imprint.reproduce.base import percent, read, subset
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.mapped import maps_of, splits_of, trained
from imprint.reproduce.verdicts import Claim, judge_statement, spread
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits

__all__ = ["EXPERIMENT"]

DATA, IMAGES = "cifar10", 6_000

LAYERS = ("stem", "layer1", "layer2", "layer3")

SETTINGS = TrainSettings(
    model="resnet20",
    lr=0.1,
    epochs=10,
    batch_size=64,
    dense_start=0.1,
    augment=False,
    device="cpu",
    familiarity=False,
)

MAP_EPOCHS = 3

WATCHED = 200
"""Test images that are judged after each epoch; all of them are at the end."""

QUESTION = (
    f"The paper asks for a deeper network, more complex images, and maps from further layers. Here"
    f" a ResNet-20 learns from {IMAGES:,} images of CIFAR-10 for {SETTINGS.epochs} epochs, the"
    " first with all images. At each depth a gate keeps the half of every batch that is least"
    " similar to its class's prototype; the control keeps a half by chance. And from the network"
    f" trained on all images, {MAP_EPOCHS} more epochs on the mean of the maps of each depth; the"
    " control spends them on the images themselves, with the same learning rates."
)

Runs = dict[str, list[dict[str, Any]]]

_GATES: dict[str, dict[str, Any]] = {
    "random": {"skip": "random", "tier": "gate", "layer": LAYERS[0]},
    **{layer: {"skip": "cosine", "layer": layer} for layer in LAYERS},
}
"""The runs that skip, by the depth of their gate."""


def _cells(seeds: int) -> list[Cell]:
    """Name the work: training on each depth's maps, and gates at each depth with their control."""
    maps = [_maps_cell(seed) for seed in range(seeds)]  # the longest first
    return maps + [_gate_cell(name, seed) for seed in range(seeds) for name in _GATES]


def _gate_cell(name: str, seed: int) -> Cell:
    return Cell(f"{_name()}-gate-{name}-{seed}", _gated, {"name": name, "seed": seed})


def _maps_cell(seed: int) -> Cell:
    return Cell(f"{_name()}-maps-{seed}", _on_maps, {"seed": seed})


def _name() -> str:
    return f"{DATA}-{SETTINGS.model}-{IMAGES}-{SETTINGS.batch_size}-{SETTINGS.epochs}"


def _gated(name: str, seed: int) -> dict[str, Any]:
    data = subset(read(DATA), IMAGES, seed)
    return _outcome(_trained(data, replace(SETTINGS, seed=seed, **_GATES[name])), data)


def _on_maps(seed: int) -> dict[str, Any]:
    """Train a base network, then go on with the maps of each depth."""
    data = subset(read(DATA), IMAGES, seed)
    base = _trained(data, replace(SETTINGS, seed=seed))
    start, again = base.model.state_dict(), replace(SETTINGS, epochs=MAP_EPOCHS, seed=seed)
    sets = {"images": data}
    for layer in LAYERS:
        maps = maps_of(base.model, data.train, layer)
        sets[layer] = splits_of(data, map_planes(maps, "mean"))
    further = {name: _trained(own, again, start) for name, own in sets.items()}
    return {name: _outcome(own, data) for name, own in {"base": base, **further}.items()}


def _trained(data: DataSplits, settings: TrainSettings, start: Any = None) -> Trainer:
    few = data.test.taken(torch.arange(WATCHED))
    return trained(replace(data, test=few), settings, start)


def _outcome(run: Trainer, data: DataSplits) -> dict[str, Any]:
    """What a network knows of the images, and what its training took."""
    return {
        "test": percent(run.model, data.test),
        "train": percent(run.model, data.train),
        "images_trained": sum(row["images_trained"] for row in run.epochs),
        "hits": run.epochs[-1]["hits"],
    }


def _finding(results: Results, seeds: int) -> Finding:
    """Say at which depth similarity and maps serve best."""
    maps = [results[_maps_cell(seed).name] for seed in range(seeds)]
    known = {name: [own[name] for own in maps] for name in maps[0]}
    gates = {"plain": known["base"]} | {
        name: [results[_gate_cell(name, seed).name] for seed in range(seeds)] for name in _GATES
    }
    return Finding(
        name="deeper",
        title="Deeper networks, deeper layers",
        question=QUESTION,
        answer=_answer(gates, known),
        claims=[
            _deeper_is_better(
                "Similarity of deep layers chooses better than that of the first",
                gates,
                "a gate at the last stage ends higher, seeds",
            ),
            _deeper_is_better(
                "Maps of deep layers are better to train on than those of the first",
                known,
                "training on the last stage's maps ends higher, seeds",
            ),
        ],
        tables=[_gate_table(gates), _maps_table(known)],
        look=Look(charts=[_gate_chart(gates), _maps_chart(known)]),
    )


def _deeper_is_better(says: str, runs: Runs, because: str) -> Claim:
    first, last = (_ends(runs[layer]) for layer in (LAYERS[0], LAYERS[-1]))
    return judge_statement(
        says,
        [deep > shallow for shallow, deep in zip(first, last, strict=True)],
        ours=f"{LAYERS[0]} {spread(first)} %, {LAYERS[-1]} {spread(last)} %",
        because=because,
    )


def _ends(runs: list[dict[str, Any]]) -> list[float]:
    return [run["test"] for run in runs]


def _best(runs: Runs) -> str:
    return max(LAYERS, key=lambda layer: mean(_ends(runs[layer])))


def _answer(gates: Runs, known: Runs) -> str:
    best, maps = _best(gates), _best(known)
    return (
        f"Similarity chooses best at {best}: {spread(_ends(gates[best]))} %, where a half by chance"
        f" ends at {spread(_ends(gates['random']))} % and all images at"
        f" {spread(_ends(gates['plain']))} %. Of the maps, those of {maps} leave most:"
        f" {spread(_ends(known[maps]))} %, from a base of {spread(_ends(known['base']))} %; as"
        f" much more training on images gives {spread(_ends(known['images']))} %."
    )


def _gate_table(gates: Runs) -> Table:
    lines = [
        [
            name,
            spread(_ends(runs)),
            spread([run["train"] for run in runs]),
            _beyond(runs, gates["random"]) if name in LAYERS else "",
            f"{mean(run['images_trained'] for run in runs):,.0f}",
            "" if name == "plain" else f"{mean(run['hits'] for run in runs):,.0f}",
        ]
        for name, runs in gates.items()
    ]
    columns = ("gate at", "test", "train", "beyond random", "images trained", "last epoch's hits")
    return Table(columns, lines, _TABLE_CAPTION)


_TABLE_CAPTION = (
    "Accuracy in %, mean ± standard deviation over seeds; beyond random: of the test images, in"
    " points, with the 95 % interval of paired differences."
)


def _beyond(runs: list[dict[str, Any]], control: list[dict[str, Any]]) -> str:
    pairs = zip(_ends(runs), _ends(control), strict=True)
    middle, low, high = interval([own - other for own, other in pairs])
    ends = "" if isnan(low) else f" ({low:+z.2f} to {high:+z.2f})"
    return f"{middle:+z.2f}{ends}"


def _maps_table(known: Runs) -> Table:
    lines = [
        [name, *(spread([own[part] for own in runs]) for part in ("train", "test"))]
        for name, runs in known.items()
    ]
    caption = f"Accuracy on images in %; all but base went on for {MAP_EPOCHS} epochs."
    return Table(("trained on", "train", "test"), lines, caption)


def _gate_chart(gates: Runs) -> Chart:
    seeds = range(len(gates["plain"]))
    series = {"test": [[_ends(runs)[seed] for runs in gates.values()] for seed in seeds]}
    figure = seed_bars(series, names=list(gates), x_title="gate at", y_title="test accuracy (%)")
    return Chart("Half of the images, chosen at each depth", figure, _CAPTION)


def _maps_chart(known: Runs) -> Chart:
    seeds = range(len(known["base"]))
    series = {
        part: [[runs[seed][part] for runs in known.values()] for seed in seeds]
        for part in ("train", "test")
    }
    figure = seed_bars(
        series, names=list(known), x_title="trained on", y_title="accuracy on images (%)"
    )
    return Chart("Training on the maps of each depth", figure, _CAPTION)


_CAPTION = "Means over seeds, with one standard deviation."


EXPERIMENT = Experiment(_cells, _finding)
