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
from imprint.memory import class_sums
from imprint.similarity import cosine_similarity

__all__ = [
    "Neighbourhood",
    "Space",
    "draw_map",
    "look_around",
    "map_accuracy",
    "nearest_prototypes",
]

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
        right: `(M,)`, float: whether the own label has the most votes; of labels that tie for the
            most, each has its part.
    """

    rows: Tensor
    votes: Tensor
    right: Tensor


class Space:
    """Where the rows of the first part are compared, each brought there when it is asked for.

    The axes are the principal components, at most 50, of signatures where there are some, else of
    pixels at 32 a side at most.

    Args:
        rows: of all parts.
        seen: of the first pass.
        seed: of the rows that the axes are learnt from.
    """

    def __init__(self, rows: Rows, seen: Seen, *, seed: int) -> None:
        self._rows, self._signatures = rows, seen.signatures
        self.labels = rows.labels[rows.part == 0]
        shuffled = torch.randperm(len(self), generator=generator_of(seed))[:LEARNT]
        sample = self._vectors(shuffled.sort().values)
        self._place = principal_components(sample, min(WIDTH, *sample.shape), seed=seed).place

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: Tensor) -> Tensor:
        """Give the places `(B, D)`, float32, of rows `(B,)` of the first part."""
        return torch.cat([self._place(self._vectors(chunk)) for chunk in torch.split(rows, 4096)])

    def _vectors(self, rows: Tensor) -> Tensor:
        if self._signatures is not None:
            return self._signatures[rows]
        return shrink(self._rows.read(rows), SIDE).flatten(1) / 255


def look_around(space: Space, num_classes: int, *, seed: int) -> Neighbourhood:
    """Ask the neighbours of rows for their classes.

    Args:
        space: of the first part.
        num_classes: K.
        seed: of the rows that are asked, where there are more than 20,000.

    Returns:
        Their votes; among fewer than two rows, none.

    Examples:
        >>> from imprint.exploration.passes import read_all
        >>> from imprint.exploration.rows import parts_of
        >>> from imprint.types import ImageSet
        >>> pixels = torch.tensor([0, 9, 240, 255], dtype=torch.uint8).view(4, 1, 1, 1)
        >>> images = ImageSet(pixels.expand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ("a", "b"))
        >>> rows = Rows(parts_of(images))
        >>> seen = read_all(rows, images, None)
        >>> look_around(Space(rows, seen, seed=0), 2, seed=0).votes.sum(1)
        tensor([3, 3, 3, 3])
    """
    if len(space) < 2:
        none = torch.zeros(0, dtype=torch.int64)
        return Neighbourhood(none, torch.zeros(0, num_classes, dtype=torch.int64), none.float())
    asked = torch.randperm(len(space), generator=generator_of(seed))[:ASKED].sort().values
    found = nearest_neighbours(space.of(asked), k=min(VOTERS, len(asked) - 1)).indices
    own = space.labels[asked]
    votes = neighbour_votes(found, own, num_classes)
    return Neighbourhood(asked, votes, share_of_most(votes, own))


def share_of_most(votes: Tensor, labels: Tensor) -> Tensor:
    """Tell whether the own label has the most votes, `(M,)`: 1, 0, or its part in a tie."""
    most = votes == votes.amax(1, keepdim=True)
    own = most.gather(1, labels[:, None])[:, 0]
    return own / most.sum(1)


def nearest_prototypes(space: Space, num_classes: int) -> Tensor:
    """Name the class whose prototype each row of the first part is most similar to.

    Args:
        space: of the first part.
        num_classes: K.

    Returns:
        `(M,)`, int64.

    Examples:
        >>> from imprint.exploration.passes import read_all
        >>> from imprint.exploration.rows import parts_of
        >>> from imprint.types import ImageSet
        >>> pixels = torch.tensor([0, 9, 240, 255], dtype=torch.uint8).view(4, 1, 1, 1)
        >>> images = ImageSet(pixels.expand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ("a", "b"))
        >>> rows = Rows(parts_of(images))
        >>> seen = read_all(rows, images, None)
        >>> nearest_prototypes(Space(rows, seen, seed=0), 2)
        tensor([0, 0, 1, 1])
    """
    chunks = torch.split(torch.arange(len(space)), 4096)
    sums = sum(class_sums(space.of(rows), space.labels[rows], num_classes) for rows in chunks)
    counts = space.labels.bincount(minlength=num_classes)
    prototypes = (sums / counts.clamp_min(1)[:, None]).float()
    missing = counts == 0

    def nearest(rows: Tensor) -> Tensor:
        similarity = cosine_similarity(space.of(rows), prototypes)
        return similarity.masked_fill(missing, -torch.inf).argmax(1)

    return torch.cat([nearest(rows) for rows in chunks])


def draw_map(space: Space, kind: str, *, seed: int) -> Tensor | None:
    """Lay a space out in the plane.

    Args:
        space: of the first part.
        kind: `none`, `pca` or `tsne`.
        seed: of the method.

    Returns:
        `(M, 2)`, or None; of fewer than four rows none.

    Examples:
        >>> from imprint.exploration.passes import read_all
        >>> from imprint.exploration.rows import parts_of
        >>> from imprint.types import ImageSet
        >>> pixels = torch.tensor([0, 9, 240, 255], dtype=torch.uint8).view(4, 1, 1, 1)
        >>> images = ImageSet(pixels.expand(4, 1, 2, 2), torch.tensor([0, 0, 1, 1]), ("a", "b"))
        >>> rows = Rows(parts_of(images))
        >>> seen = read_all(rows, images, None)
        >>> draw_map(Space(rows, seen, seed=0), "pca", seed=0).shape
        torch.Size([4, 2])
    """
    if kind == "none" or len(space) < 4:
        return None
    places = space.of(torch.arange(len(space)))
    if kind == "pca":
        return torch.nn.functional.pad(places[:, :2], (0, max(0, 2 - places.shape[1])))
    return tsne(places, seed=seed).points


def map_accuracy(points: Tensor, labels: Tensor) -> float:
    """Measure how often most of the ten nearest points on a map have the own label.

    Args:
        points: `(M, 2)`, at least two.
        labels: `(M,)`, int64.

    Returns:
        The share, in [0, 1].

    Examples:
        >>> map_accuracy(torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        0.0
    """
    k = min(VOTERS, len(points) - 1)
    judge = require("sklearn.neighbors").NearestNeighbors(n_neighbors=k)
    found = torch.from_numpy(judge.fit(points.numpy()).kneighbors(return_distance=False))
    votes = neighbour_votes(found, labels, int(labels.max()) + 1)
    return float(share_of_most(votes, labels).mean())
