"""The paper's future work on depth: similarity and maps from each stage of a ResNet-20."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean
from typing import Any

from imprint.on_maps import map_planes
from imprint.report import Chart, Look, seed_bars
from imprint.reproduce.base import course, percent, read, subset
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.mapped import maps_of, splits_of, trained
from imprint.reproduce.verdicts import Claim, judge_statement, spread
from imprint.training.settings import TrainSettings
from imprint.types import DataSplits

__all__ = ["EXPERIMENT"]

DATA, IMAGES = "cifar10", 10_000

LAYERS = ("stem", "layer1", "layer2", "layer3")

SETTINGS = TrainSettings(
    model="resnet20", epochs=10, batch_size=128, dense_start=0.1, augment=False, device="cpu"
)

MAP_EPOCHS = 3

QUESTION = (
    f"The paper asks for a deeper network, more complex images, and maps from further layers. Here"
    f" a ResNet-20 learns from {IMAGES:,} images of CIFAR-10 for {SETTINGS.epochs} epochs, the"
    " first with all images. At each depth a gate keeps the half of every batch that is least"
    " similar to its class's prototype; the control keeps a half by chance. And from the trained"
    f" network, {MAP_EPOCHS} more epochs on the mean of the maps of each depth; the control spends"
    " them on the images themselves, with the same learning rates."
)

Runs = dict[str, list[dict[str, Any]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: gates at each depth with their controls, and training on each depth's maps."""
    return [
        cell
        for seed in range(seeds)
        for cell in (*(_gate_cell(name, seed) for name in _GATES), _maps_cell(seed))
    ]


_GATES: dict[str, dict[str, Any]] = {
    "plain": {},
    "random": {"skip": "random", "tier": "gate", "layer": LAYERS[0]},
    **{layer: {"skip": "cosine", "layer": layer} for layer in LAYERS},
}
"""The runs, by the depth of their gate."""


def _gate_cell(name: str, seed: int) -> Cell:
    return Cell(f"{DATA}-depth-gate-{name}-{seed}", _gated, {"name": name, "seed": seed})


def _maps_cell(seed: int) -> Cell:
    return Cell(f"{DATA}-depth-maps-{seed}", _on_maps, {"seed": seed})


def _gated(name: str, seed: int) -> dict[str, Any]:
    data = subset(read(DATA), IMAGES, seed)
    return course(data, replace(SETTINGS, seed=seed, familiarity=False, **_GATES[name]))


def _on_maps(seed: int) -> dict[str, Any]:
    """Train a base network, then go on with the maps of each depth."""
    data = subset(read(DATA), IMAGES, seed)
    base = trained(data, replace(SETTINGS, seed=seed))
    start, again = base.model.state_dict(), replace(SETTINGS, epochs=MAP_EPOCHS, seed=seed)
    sets: dict[str, DataSplits] = {"images": data}
    for layer in LAYERS:
        maps = maps_of(base.model, data.train, layer)
        sets[layer] = splits_of(data, map_planes(maps, "mean"))
    known = {name: _known(trained(own, again, start).model, data) for name, own in sets.items()}
    return {"base": _known(base.model, data), **known}


def _known(model: Any, data: DataSplits) -> Mapping[str, float]:
    return {part: percent(model, getattr(data, part)) for part in ("train", "test")}


def _finding(results: Results, seeds: int) -> Finding:
    """Say at which depth similarity and maps serve best."""
    gates = {
        name: [results[_gate_cell(name, seed).name] for seed in range(seeds)] for name in _GATES
    }
    maps = [results[_maps_cell(seed).name] for seed in range(seeds)]
    known = {name: [own[name] for own in maps] for name in maps[0]}
    return Finding(
        name="deeper",
        title="Deeper networks, deeper layers",
        question=QUESTION,
        answer=_answer(gates, known),
        claims=[_similarity(gates), _deep_maps(known)],
        tables=[_gate_table(gates), _maps_table(known)],
        look=Look(charts=[_gate_chart(gates), _maps_chart(known)]),
    )


def _ends(runs: list[dict[str, Any]]) -> list[float]:
    return [run["test_accuracy"][-1] for run in runs]


def _similarity(gates: Runs) -> Claim:
    first, last = _ends(gates[LAYERS[0]]), _ends(gates[LAYERS[-1]])
    return judge_statement(
        "Similarity of deep layers chooses better than that of the first",
        [deep > shallow for shallow, deep in zip(first, last, strict=True)],
        ours=f"{LAYERS[0]} {spread(first)} %, {LAYERS[-1]} {spread(last)} %",
        because="a gate at the last stage ends higher, seeds",
    )


def _deep_maps(known: Runs) -> Claim:
    first, last = ([own["test"] for own in known[layer]] for layer in (LAYERS[0], LAYERS[-1]))
    return judge_statement(
        "Maps of deep layers are better to train on than those of the first",
        [deep > shallow for shallow, deep in zip(first, last, strict=True)],
        ours=f"{LAYERS[0]} {spread(first)} %, {LAYERS[-1]} {spread(last)} %",
        because="training on the last stage's maps ends higher, seeds",
    )


def _answer(gates: Runs, known: Runs) -> str:
    best = max(LAYERS, key=lambda layer: mean(_ends(gates[layer])))
    maps = max(LAYERS, key=lambda layer: mean(own["test"] for own in known[layer]))
    return (
        f"Similarity chooses best at {best}: {spread(_ends(gates[best]))} %, where a half by chance"
        f" ends at {spread(_ends(gates['random']))} % and all images at"
        f" {spread(_ends(gates['plain']))} %. Of the maps, those of {maps} leave most:"
        f" {spread([own['test'] for own in known[maps]])} %, from a base of"
        f" {spread([own['test'] for own in known['base']])} %; as much more training on images"
        f" gives {spread([own['test'] for own in known['images']])} %."
    )


def _gate_table(gates: Runs) -> Table:
    lines = [
        [
            name,
            spread(_ends(runs)),
            spread([run["train_accuracy"] for run in runs]),
            f"{mean(sum(run['images_trained']) for run in runs):,.0f}",
            "" if name == "plain" else f"{mean(run['hits'][-1] for run in runs):,.0f}",
        ]
        for name, runs in gates.items()
    ]
    columns = ("gate at", "test", "train", "images trained", "hits in the last epoch")
    return Table(columns, lines, "Accuracy in %, mean ± standard deviation over seeds.")


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
