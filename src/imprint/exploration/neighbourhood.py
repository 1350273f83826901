"""Who lies beside whom: the space, the neighbours' votes, and the map of the first part."""

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.data.seeds import generator_of
from imprint.exploration.passes import Seen
from imprint.exploration.rows import Rows
from imprint.exploring import (
    nearest_neighbours,
    neighbour_votes,
    principal_components,
    require,
    shrink,
    tsne,
)
from imprint.similarity import cosine_similarity

__all__ = ["Neighbourhood", "draw_map", "look_around", "map_accuracy", "space_of"]

SIDE = 32
"""Pixels of the longer side at which pixels are compared, at most."""

WIDTH = 50
"""Axes that a space is brought down to."""

ASKED = 20_000
"""Rows whose neighbours are asked, at most."""

LEARNT = 10_000
"""Rows from which the axes are learnt."""

VOTERS = 10
"""Neighbours that vote."""


@dataclass(frozen=True)
class Neighbourhood:
    """What the neighbours of some rows of the first part say.

    Attributes:
        rows: `(M,)`, int64, those that were asked.
        votes: `(M, K)`, int64.
        right: `(M,)`, bool: whether most neighbours have the own label.
    """

    rows: Tensor
    votes: Tensor
    right: Tensor


def space_of(rows: Rows, seen: Seen, *, seed: int) -> Tensor:
    """Bring the first part to a space in which rows are compared.

    Args:
        rows: of all parts.
        seen: of the first pass.
        seed: of the rows that the axes are learnt from.

    Returns:
        `(M, D)`, float32, D of at most 50: principal components of signatures where there are some,
        else of pixels at 32 a side at most.
    """
    own = (rows.part == 0).nonzero()[:, 0]

    def read(chosen: Tensor) -> Tensor:
        if seen.signatures is not None:
            return seen.signatures[chosen]
        return shrink(rows.read(chosen), SIDE).flatten(1) / 255

    shuffled = torch.randperm(len(own), generator=generator_of(seed))[:LEARNT]
    sample = read(own[shuffled.sort().values])
    components = principal_components(sample, min(WIDTH, *sample.shape), seed=seed)
    return torch.cat([components.place(read(chunk)) for chunk in torch.split(own, 4096)])


def look_around(space: Tensor, labels: Tensor, num_classes: int, *, seed: int) -> Neighbourhood:
    """Ask the neighbours of rows for their classes.

    Args:
        space: `(M, D)`.
        labels: `(M,)`, int64.
        num_classes: K.
        seed: of the rows that are asked, where there are more than 20,000.

    Returns:
        Their votes; among fewer than two rows, none.
    """
    if len(space) < 2:
        none = torch.zeros(0, dtype=torch.int64)
        return Neighbourhood(none, torch.zeros(0, num_classes, dtype=torch.int64), none.bool())
    asked = torch.randperm(len(space), generator=generator_of(seed))[:ASKED].sort().values
    k = min(VOTERS, len(asked) - 1)
    found = nearest_neighbours(space[asked], k=k).indices
    own = labels[asked]
    votes = neighbour_votes(found, own, num_classes)
    return Neighbourhood(asked, votes, votes.argmax(1) == own)


def draw_map(space: Tensor, kind: str, *, seed: int) -> Tensor | None:
    """Lay a space out in the plane.

    Args:
        space: `(M, D)`.
        kind: `none`, `pca` or `tsne`.
        seed: of the method.

    Returns:
        `(M, 2)`, or None; of fewer than four rows none.
    """
    if kind == "none" or len(space) < 4:
        return None
    if kind == "pca":
        return torch.nn.functional.pad(space[:, :2], (0, max(0, 2 - space.shape[1])))
    return tsne(space, seed=seed).points


def map_accuracy(points: Tensor, labels: Tensor) -> float:
    """Measure how often the ten nearest points on a map have mostly the own label.

    Args:
        points: `(M, 2)`, at least two.
        labels: `(M,)`, int64.

    Returns:
        The share, in [0, 1].
    """
    k = min(VOTERS, len(points) - 1)
    judge = require("sklearn.neighbors").NearestNeighbors(n_neighbors=k + 1)
    found = torch.from_numpy(judge.fit(points.numpy()).kneighbors(return_distance=False))
    votes = neighbour_votes(found[:, 1:], labels, int(labels.max()) + 1)
    return float((votes.argmax(1) == labels).float().mean())


def nearest_prototypes(space: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Name the class whose prototype each row is most similar to.

    Args:
        space: `(M, D)`.
        labels: `(M,)`, int64.
        num_classes: K.

    Returns:
        `(M,)`, int64.
    """
    sums = torch.zeros(num_classes, space.shape[1]).index_add_(0, labels, space)
    counts = labels.bincount(minlength=num_classes).clamp_min(1)[:, None]
    return cosine_similarity(space, sums / counts).argmax(1)
