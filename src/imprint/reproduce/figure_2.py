"""Figure 2: the images farthest from their class's centroid, and what a network makes of them."""

from imprint.report import Look, PictureRow, Shown, picture
from imprint.reproduce.base import read
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.knowledge import (
    FARTHEST,
    centroids,
    distances,
    knowledge_cell,
    knowledge_settings,
)
from imprint.reproduce.verdicts import Claim, judge_statement, spread

__all__ = ["EXPERIMENT"]

QUESTION = (
    f"Outliers are the images farthest from their class's centroid: here, the farthest"
    f" {100 * FARTHEST:.0f} % of each class. Are they the ones that a network finds hard? And does"
    " a network that is right on those it was trained on overfit, as the paper holds? Then it would"
    " be wrong on outliers that it never saw, so it is asked these, too."
)

SHOWN = 5

Right = list[dict[str, dict[str, float]]]


def _cells(seeds: int) -> list[Cell]:
    """Name the work: networks that are asked, the same as figure 1's."""
    return [knowledge_cell(settings) for settings in knowledge_settings(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 2."""
    right: Right = [results[cell.name]["right"] for cell in _cells(seeds)]
    return Finding(
        name="figure-2",
        title="The farthest images",
        question=QUESTION,
        answer=(
            f"Of the farthest test images the networks know {_known(right, 'test', 'farthest')} %,"
            f" of all others {_known(right, 'test', 'rest')} %; of the farthest training images"
            f" {_known(right, 'train', 'farthest')} %."
        ),
        claims=[_harder(right), _overfitting(right)],
        tables=[_table(right)],
        look=Look(pictures=[_pictures(label) for label in (3, 7)]),
    )


def _known(right: Right, part: str, which: str) -> str:
    return spread([own[part][which] for own in right])


def _harder(right: Right) -> Claim:
    errors = [(100 - own["test"]["farthest"], 100 - own["test"]["rest"]) for own in right]
    times = [far / max(rest, 0.01) for far, rest in errors]
    return judge_statement(
        "The farthest images look much different from the others",
        [far > 2 * rest for far, rest in errors],
        ours=f"{spread(times, 1)} times as many errors among the farthest test images",
        because="more than twice as many errors, seeds",
    )


def _overfitting(right: Right) -> Claim:
    learnt = [
        1 - (100 - own["train"]["farthest"]) / max(100 - own["test"]["farthest"], 0.01)
        for own in right
    ]
    return judge_statement(
        "A network that is right on the farthest training images overfits",
        [share > 0.5 for share in learnt],
        ours=f"errors on the farthest fall by {spread([100 * s for s in learnt], 0)} % where they"
        " were trained on",
        because="more than half of the errors on unseen outliers vanish on seen ones, seeds",
    )


def _table(right: Right) -> Table:
    lines = [
        [part, which, *(f"{own[part][which]:.2f}" for own in right)]
        for part in ("train", "test")
        for which in ("farthest", "rest")
    ]
    columns = ("images", "distance", *(f"seed {seed}" for seed in range(len(right))))
    return Table(columns, lines, "Images that the network names right, in %.")


def _pictures(label: int) -> PictureRow:
    train = read("mnist").train
    own = (train.labels == label).nonzero()[:, 0]
    far = distances(train.images[own], train.labels[own], centroids())
    values, order = far.topk(SHOWN)
    shown = [
        Shown(picture(train.images[own[k]]), f"distance {value:,.0f}")
        for k, value in zip(order, values.tolist(), strict=True)
    ]
    return PictureRow(f"training images of {label} farthest from its centroid", shown)


EXPERIMENT = Experiment(_cells, _finding)
