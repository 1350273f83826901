"""Figure 5: how similar images are to their class's cached vector, early in training."""

from statistics import mean
from typing import Any

from imprint.report import Chart, Look, similarity_by_class
from imprint.reproduce.base import BASE, cached_cell, read, seeded
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding
from imprint.reproduce.verdicts import judge_statement

__all__ = ["EXPERIMENT", "medians", "similarity_chart"]

QUESTION = (
    "In the first epoch of figure 7's run (first convolution, batches of 4,096), how similar are"
    " the images of a class to the vector that the cache holds of it? The paper shows class 1 as"
    " the least similar, and takes it for a false hit."
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: figure 7's runs with the cache."""
    return [cached_cell(settings, reading="formula") for settings in seeded(BASE, seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 5."""
    early = [medians(results[cell.name]["cached"], "early") for cell in _cells(seeds)]
    least = [own.index(min(own)) for own in early]
    lowest, highest = min(map(min, early)), max(map(max, early))
    return Finding(
        name="figure-5",
        title="Similarity early in training",
        question=QUESTION,
        answer=(
            f"The classes' medians lie between {lowest:.3f} and {highest:.3f}; lowest is class "
            f"{', '.join(map(str, least))}, a seed each."
        ),
        claims=[
            judge_statement(
                "Class 1 is the least similar to its cached vector",
                [label == 1 for label in least],
                ours=f"lowest: class {', '.join(map(str, least))}",
                because="class 1 has the lowest median, seeds",
            )
        ],
        look=Look(charts=[similarity_chart(results[_cells(1)[0].name]["cached"], "early")]),
    )


def medians(course: dict[str, Any], when: str) -> list[float]:
    """Give each class's median similarity to its own cached vector.

    Args:
        course: of a run with the cache.
        when: `early` or `late`.

    Returns:
        one a class, in [-1, 1].

    Examples:
        >>> medians({"similarity": {"late": {"classes": [{"median": 0.5}]}}}, "late")
        [0.5]
    """
    return [own["median"] for own in course["similarity"][when]["classes"]]


def similarity_chart(course: dict[str, Any], when: str) -> Chart:
    """Draw each class's similarities.

    Args:
        course: of a run with the cache.
        when: `early` or `late`.

    Returns:
        The chart.

    Examples:
        >>> spread = {"low": 0.5, "median": 0.7, "high": 0.8, "threshold": 0.6}
        >>> part = {"epoch": 3, "classes": [spread] * 10}
        >>> similarity_chart({"similarity": {"late": part}}, "late").title
        'Similarity in epoch 3'
    """
    run = {"class_names": read("mnist").train.class_names, "similarity": course["similarity"]}
    epoch = course["similarity"][when]["epoch"]
    threshold = mean(own["threshold"] for own in course["similarity"][when]["classes"])
    return Chart(
        f"Similarity in epoch {epoch}",
        similarity_by_class(run, when),
        "Each class's median with its 5th to 95th percentile, and the class's threshold, on "
        f"average {threshold:.3f}; seed 0.",
    )


EXPERIMENT = Experiment(_cells, _finding)
