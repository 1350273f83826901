"""Figure 3: MNIST in the plane, by t-SNE and by principal components."""

from typing import Any

import torch
from torch import Tensor

from imprint.exploring import neighbour_votes, principal_components, tsne
from imprint.report import Chart, Look, point_chart
from imprint.reproduce.base import read
from imprint.reproduce.cells import Cell, Results
from imprint.reproduce.findings import Experiment, Finding
from imprint.reproduce.verdicts import judge_statement, spread

__all__ = ["EXPERIMENT"]

IMAGES = 10_000
"""Training images that are laid out, drawn anew for each seed."""

DRAWN = 3_000
"""Points of the charts."""

NEIGHBOURS, COMPONENTS = 5, 50

QUESTION = (
    "Do the classes part in the plane, and further by t-SNE than by principal components?"
    f" {IMAGES:,} training images of each seed's own draw are laid out both ways (t-SNE from 50"
    f" principal components); then it is counted how often most of a point's {NEIGHBOURS} nearest"
    " points have its label."
)


def _cells(seeds: int) -> list[Cell]:
    """Name the work: both layouts of each seed."""
    return [Cell(f"mnist-plane-{seed}", _lay_out, {"seed": seed}) for seed in range(seeds)]


def _lay_out(seed: int) -> dict[str, Any]:
    train = read("mnist").train
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:IMAGES]
    vectors, labels = train.images[rows].flatten(1).float() / 255, train.labels[rows]
    components = principal_components(vectors, COMPONENTS, seed=seed).points
    planes = {"t-SNE": tsne(components, seed=seed).points, "PCA": components[:, :2]}
    return {
        "labels": labels[:DRAWN].tolist(),
        "planes": {
            name: {"agree": _agreement(points, labels), "points": _rounded(points[:DRAWN])}
            for name, points in planes.items()
        },
    }


def _rounded(points: Tensor) -> list[list[float]]:
    return [[round(x, 3), round(y, 3)] for x, y in points.tolist()]


def _agreement(points: Tensor, labels: Tensor) -> float:
    """How often most of a point's nearest have its label, in %."""
    gaps = torch.cdist(points, points).fill_diagonal_(torch.inf)
    nearest = gaps.topk(NEIGHBOURS, largest=False).indices
    votes = neighbour_votes(nearest, labels, 10)
    return 100 * float((votes.argmax(1) == labels).float().mean())


def _finding(results: Results, seeds: int) -> Finding:
    """Judge figure 3."""
    laid = [results[cell.name] for cell in _cells(seeds)]
    agree = {name: [one["planes"][name]["agree"] for one in laid] for name in ("t-SNE", "PCA")}
    ours = f"{spread(agree['t-SNE'])} % by t-SNE, {spread(agree['PCA'])} % by PCA"
    pairs = list(zip(agree["t-SNE"], agree["PCA"], strict=True))
    return Finding(
        name="figure-3",
        title="The data in the plane",
        question=QUESTION,
        answer=f"Most neighbours agree for {ours}.",
        claims=[
            judge_statement(
                "Similar digits fall into clusters with clear bounds",
                [a > 90 for a, _ in pairs],
                ours=ours,
                because="neighbours agree for more than 90 % by t-SNE, seeds",
            ),
            judge_statement(
                "t-SNE parts the classes better than PCA",
                [a > b for a, b in pairs],
                ours=ours,
                because="more agree by t-SNE than by PCA, seeds",
            ),
        ],
        look=Look(charts=[_chart(name, laid[0]) for name in agree]),
    )


def _chart(name: str, laid: dict[str, Any]) -> Chart:
    points = laid["planes"][name]["points"]
    return Chart(
        f"MNIST by {name}",
        point_chart(points, laid["labels"], names=[str(k) for k in range(10)], axes=name),
        f"{len(points):,} training images, a colour a digit; the axes have no unit.",
    )


EXPERIMENT = Experiment(_cells, _finding)
