"""Figure 6: how similar images are to their class's cached vector, late in training."""

from typing import Any

from imprint.report import Look
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.figure_5 import EXPERIMENT as FIGURE_5
from imprint.reproduce.figure_5 import medians, similarity_chart
from imprint.reproduce.findings import Experiment, Finding
from imprint.reproduce.verdicts import judge_statement, spread

__all__ = ["EXPERIMENT"]

HIGH = 0.9

QUESTION = (
    "And in the last epoch? The paper warns that with one threshold for all, at the end of training"
    " nearly every image would be a hit, and so gives each class a threshold that moves."
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: figure 7's runs with the cache."""
    return FIGURE_5.cells(seeds)


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 6."""
    courses = [results[cell.name]["cached"] for cell in _cells(seeds)]
    fifth = [min(_fifths(course)) for course in courses]
    rise = [
        sum(medians(course, "late")) / 10 - sum(medians(course, "early")) / 10 for course in courses
    ]
    return Finding(
        name="figure-6",
        title="Similarity late in training",
        question=QUESTION,
        answer=(
            f"From the first epoch to the last the mean of the classes' medians moves by "
            f"{spread(rise, 3)}; of the least similar class, 95 % of the images lie above "
            f"{spread(fifth, 3)}."
        ),
        claims=[
            judge_statement(
                "Late in training one threshold for all would let nearly every image hit",
                [low >= HIGH for low in fifth],
                ours=f"95 % of every class's images above {spread(fifth, 3)}",
                because=f"95 % of each class's images at a similarity of {HIGH} or more, seeds",
            )
        ],
        look=Look(charts=[similarity_chart(courses[0], "late")]),
    )


def _fifths(course: dict[str, Any]) -> list[float]:
    """The 5th percentile of each class's similarities at the end."""
    return [own["low"] for own in course["similarity"]["late"]["classes"]]


EXPERIMENT = Experiment(_cells, _finding)
