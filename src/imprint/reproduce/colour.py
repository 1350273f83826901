"""The paper's future work on colour: figures 7 to 10 with CIFAR-10."""

from dataclasses import replace
from typing import Any

from imprint.report import Chart, Look, seed_bars, seed_lines
from imprint.reproduce.base import BASE, cached_cell, plain_cell, seeded
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.mapped import maps_cell
from imprint.reproduce.printed import printed
from imprint.reproduce.verdicts import Claim, judge_gain, spread

__all__ = ["EXPERIMENT"]

DATA, EPOCHS = "cifar10", 10

SIZES = (64, 4096)
"""Batches: one from which the network learns well, and figure 7's."""

MAPS_BATCH = 64

QUESTION = (
    "The paper plans to repeat its experiments on colour images. Here is CIFAR-10 with the paper's"
    " network, its first layer for three channels, all else as for MNIST. The paper prints no"
    " figures for it, so gains are held to those that it prints for MNIST. A map has one channel,"
    " which is given to the network three times."
)

Courses = dict[str, list[dict[str, Any]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: plain training and the cache at two batch sizes, and training on maps."""
    courses = [
        cell
        for size in SIZES
        for settings in seeded(replace(BASE, batch_size=size), seeds)
        for cell in (plain_cell(settings, DATA), cached_cell(settings, DATA))
    ]
    return courses + [maps_cell(DATA, MAPS_BATCH, seed) for seed in range(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge what the paper's methods do on colour images."""
    courses = {size: _courses(results, size, seeds) for size in SIZES}
    maps = [results[maps_cell(DATA, MAPS_BATCH, seed).name] for seed in range(seeds)]
    return Finding(
        name="colour",
        title="Colour images",
        question=QUESTION,
        answer=_answer(courses, maps),
        claims=[
            *(_cache(size, own) for size, own in courses.items()),
            _maps(maps),
            _transfer(maps),
            _robust(maps),
        ],
        tables=[_table(maps)],
        look=Look(charts=[*(_chart(size, own) for size, own in courses.items()), _known(maps)]),
    )


def _courses(results: Results, size: int, seeds: int) -> Courses:
    runs = list(seeded(replace(BASE, batch_size=size), seeds))
    both = [results[cached_cell(settings, DATA).name] for settings in runs]
    return {
        "plain": [results[plain_cell(settings, DATA).name] for settings in runs],
        "cached": [one["cached"] for one in both],
        "random, as many": [one["random"] for one in both],
    }


def _cache(size: int, courses: Courses) -> Claim:
    table = printed()["figure_8"]
    k = table["batch_size"].index(size)
    gain = table["cached_test"][k] - table["plain_test"][k]
    ends = {name: [run["test_accuracy"][-1] for run in own] for name, own in courses.items()}
    gains = {
        name: [a - b for a, b in zip(own, ends["plain"], strict=True)] for name, own in ends.items()
    }
    return judge_gain(
        f"Batches of {size:,}: the cache {'gains' if gain > 0 else 'loses'}, as printed for MNIST",
        gain,
        gains["cached"],
        control=gains["random, as many"],
        control_name="as many left out by chance",
    )


def _maps(maps: list[dict[str, Any]]) -> Claim:
    row = printed()["figure_9"]["mnist"][0]
    gains = {
        name: [own["known"][name]["test"] - own["known"]["base"]["test"] for own in maps]
        for name in ("each", "blurred")
    }
    return judge_gain(
        "Test accuracy falls by training on maps, as printed for MNIST",
        row["maps_test"] - row["base_test"],
        gains["each"],
        control=gains["blurred"],
        control_name="blurred images",
    )


def _fooled(maps: list[dict[str, Any]], name: str, how: str) -> list[float]:
    """Gains over the base at the larger epsilon."""
    return [own["fooled"][name][how][1] - own["fooled"]["base"][how][1] for own in maps]


def _transfer(maps: list[dict[str, Any]]) -> Claim:
    return judge_gain(
        "Epsilon 0.25, images made on the base: the network trained on maps is ahead",
        _printed_gain(),
        _fooled(maps, "each", "on_base"),
        control=_fooled(maps, "second base", "on_base"),
        control_name="a second base network",
    )


def _robust(maps: list[dict[str, Any]]) -> Claim:
    return judge_gain(
        "Epsilon 0.25: training on maps makes more robust (each network attacked itself)",
        _printed_gain(),
        _fooled(maps, "each", "sure"),
        control=_fooled(maps, "blurred", "sure"),
        control_name="blurred images",
    )


def _printed_gain() -> float:
    row = printed()["figure_10"]["rows"][1]
    gain: float = row["maps"] - row["base"]
    return gain


def _answer(courses: dict[int, Courses], maps: list[dict[str, Any]]) -> str:
    parts = [
        f"{name} {spread([run['test_accuracy'][-1] for run in own])} %"
        for name, own in courses[SIZES[0]].items()
    ]
    known = [
        f"{spread([own['known'][name]['test'] for own in maps])} % ({name})"
        for name in ("base", "each", "blurred")
    ]
    return (
        f"After {EPOCHS} epochs in batches of {SIZES[0]}: {', '.join(parts)}. Trained on maps, and"
        f" beside it: {', '.join(known)}."
    )


def _table(maps: list[dict[str, Any]]) -> Table:
    lines = [
        [
            name,
            *(spread([own["known"][name][part] for own in maps]) for part in ("train", "test")),
            *(spread([own["fooled"][name][how][1] for own in maps]) for how in ("on_base", "sure")),
        ]
        for name in maps[0]["known"]
    ]
    columns = (
        "trained on",
        "train",
        "test",
        "adversarial images of the base",
        "of itself",
    )
    return Table(columns, lines, "Accuracy in %; adversarial images by FGSM at epsilon 0.25.")


def _chart(size: int, courses: Courses) -> Chart:
    return Chart(
        f"CIFAR-10, batches of {size:,}",
        seed_lines(
            {name: [run["test_accuracy"] for run in own] for name, own in courses.items()},
            x=range(1, EPOCHS + 1),
            x_title="epoch",
            y_title="test accuracy (%)",
        ),
        "Means over seeds, with bands of one standard deviation.",
    )


def _known(maps: list[dict[str, Any]]) -> Chart:
    names = list(maps[0]["known"])
    series = {
        part: [[own["known"][name][part] for name in names] for own in maps]
        for part in ("train", "test")
    }
    return Chart(
        "Trained on maps",
        seed_bars(series, names=names, x_title="trained on", y_title="accuracy on images (%)"),
        "Means over seeds, with one standard deviation.",
    )


EXPERIMENT = Experiment(_cells, _finding)
