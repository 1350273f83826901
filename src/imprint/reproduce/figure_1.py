"""Figure 1: the centroid image of each class."""

from imprint.report import Look, PictureRow, Shown, picture
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding
from imprint.reproduce.knowledge import centroids, knowledge_cell, knowledge_settings
from imprint.reproduce.verdicts import judge_statement, spread

__all__ = ["EXPERIMENT"]

QUESTION = (
    "The mean of a class's training images, blurred as it is, is said to look like the digit."
    " A network trained on MNIST, which never saw these means, is asked what they are."
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: networks that are asked."""
    return [knowledge_cell(settings) for settings in knowledge_settings(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 1."""
    answers = [results[cell.name]["centroids"] for cell in _cells(seeds)]
    right = [sum(a == k for k, a in enumerate(own)) for own in answers]
    shown = [
        Shown(picture(mean.view(1, 28, 28).round().byte()), f"mean of the {k}s")
        for k, mean in enumerate(centroids())
    ]
    return Finding(
        name="figure-1",
        title="Centroid images",
        question=QUESTION,
        answer=f"Of the ten centroids the networks name {spread(right, 1)} right.",
        claims=[
            judge_statement(
                "Centroid images look almost like the digits",
                [count == 10 for count in right],
                ours=f"{spread(right, 1)} of 10 centroids named right",
                because="the network names all ten, seeds",
            )
        ],
        look=Look(pictures=[PictureRow("the centroid of each class", shown)]),
    )


EXPERIMENT = Experiment(_cells, _finding)
