"""Figure 4: from an image over its feature maps to its vector; and what such vectors tell."""

from typing import Any

import torch

from imprint.report import Look, PictureRow, Shown, map_grid, picture
from imprint.reproduce.base import read
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding, Table
from imprint.reproduce.knowledge import knowledge_cell, knowledge_settings
from imprint.reproduce.verdicts import judge_statement, spread

__all__ = ["EXPERIMENT"]

QUESTION = (
    "The paper draws how a vector is taken from feature maps, and holds that images of one class"
    " have similar ones, because the intensities of their maps are alike. If so, the class whose"
    " mean vector is nearest should be an image's own. It is counted for MNIST's test images, with"
    " the vectors of a trained network's two convolutions, and mean vectors of all training images."
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: networks that are asked, the same as figure 1's."""
    return [knowledge_cell(settings) for settings in knowledge_settings(seeds)]


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 4."""
    own = [results[cell.name] for cell in _cells(seeds)]
    near = {layer: [one["nearest"][layer] for one in own] for layer in ("conv1", "conv2")}
    ours = " and ".join(f"{spread(values, 1)} % ({layer})" for layer, values in near.items())
    return Finding(
        name="figure-4",
        title="From maps to a vector",
        question=QUESTION,
        answer=f"The nearest mean vector is the own class's for {ours}; chance has 10 %.",
        claims=[
            judge_statement(
                "Images of one class have similar feature vectors",
                [share > 50 for values in near.values() for share in values],
                ours=ours,
                because="nearest for most images, layers and seeds",
            )
        ],
        tables=[_table(own[0]["example"])],
        look=Look(pictures=[_pictures(own[0]["example"])]),
    )


def _pictures(example: dict[str, Any]) -> PictureRow:
    image = read("mnist").test.images[0]
    maps = torch.tensor(example["maps"])
    side = round(maps.shape[1] ** 0.5)
    grids = [
        map_grid(one.view(1, side, side), scale=float(maps.abs().max()), note=f"map {k}")
        for k, one in enumerate(maps)
    ]
    shown = [Shown(picture(image), "the image"), *(Shown(g.source, g.note) for g in grids)]
    return PictureRow(
        "an image and its maps after the first convolution: red above 0, blue below", shown
    )


def _table(example: dict[str, Any]) -> Table:
    columns = ("", *(f"map {k}" for k in range(len(example["signature"]))))
    rows = zip(("mean", "deviation"), zip(*example["signature"], strict=True), strict=True)
    lines = [[name, *(f"{value:.4f}" for value in values)] for name, values in rows]
    return Table(columns, lines, "The vector of that image: of each map's absolute values.")


EXPERIMENT = Experiment(_cells, _finding)
