"""The nearest samples of each sample, and what their classes say; the search is faiss's."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.exploring.extras import require
from imprint.types import Nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_index", "confused_pairs", "nearest_neighbours", "neighbour_votes", "search"]

EXACT = 20_000
"""Rows up to which each is compared with each."""

TRAINED_ON = 100_000
"""Rows from which the cells of a larger index are learnt."""

PROBED = 8
"""Cells that a search looks into."""

PROBED_COMPACT = 4
"""Likewise where copies are looked for, which lie in the same cell or the next."""


def nearest_neighbours(vectors: Tensor, *, k: int) -> Nearest:
    """Find the k most similar other rows of each row by cosine.

    Args:
        vectors: `(N, D)`, floats, N of at least 2.
        k: how many, in `1 … N-1`.

    Returns:
        similarities and indices, each `(N, k)`, most similar first. Above 20,000 rows the search
        is approximate: it looks into 8 cells of an inverted file.

    Raises:
        InvalidValueError: for a k out of range.
        MissingExtraError: without `imprint[explore]`.

    Examples:
        >>> rows = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> nearest_neighbours(rows, k=1).indices.flatten()
        tensor([1, 0, 1])
    """
    if not 1 <= k < len(vectors):
        raise InvalidValueError(f"k: expected 1 … {len(vectors) - 1}, the other rows; got {k}")
    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    index = build_index(unit, len(unit))
    index.add(unit.numpy())
    return search(index, unit, torch.arange(len(unit)), k=k)


def build_index(sample: Tensor, rows: int, *, compact: bool = False) -> Any:
    """Build an empty index for vectors of length 1, compared by cosine.

    Args:
        sample: `(M, D)`, float32, rows like those that will be added.
        rows: how many will be added.
        compact: whether to keep a byte for each entry instead of four; its rows can then be read
            again, by `reconstruct_n`.

    Returns:
        A faiss index, exact for up to 20,000 rows.

    Raises:
        MissingExtraError: without `imprint[explore]`.

    Examples:
        >>> build_index(torch.eye(3), 3).ntotal
        0
    """
    faiss = require("faiss")
    width, metric = sample.shape[1], faiss.METRIC_INNER_PRODUCT
    if rows <= EXACT:
        return faiss.IndexFlatIP(width)
    cells = min(2048, rows // 256)
    coarse = faiss.IndexFlatIP(width)
    if compact:
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(coarse, width, cells, kind, metric)
        index.set_direct_map_type(faiss.DirectMap.Array)  # so that its rows can be read again
    else:
        index = faiss.IndexIVFFlat(coarse, width, cells, metric)
    index.cp.min_points_per_centroid = 1
    index.cp.seed = 1234
    index.nprobe = PROBED_COMPACT if compact else PROBED
    step = max(1, len(sample) // TRAINED_ON)
    index.train(sample[::step][:TRAINED_ON].contiguous().numpy())
    return index


def search(index: Any, queries: Tensor, own: Tensor, *, k: int) -> Nearest:
    """Find the k most similar rows of an index for each query, itself left out.

    Args:
        index: as `build_index` gives it, filled.
        queries: `(N, D)`, float32, of length 1.
        own: `(N,)`, int64, the row of each query in the index.
        k: how many.

    Returns:
        similarities and indices, each `(N, k)`; index -1 where fewer were found.

    Examples:
        >>> index = build_index(torch.eye(2), 2)
        >>> index.add(torch.eye(2).numpy())
        >>> search(index, torch.eye(2)[:1], torch.tensor([0]), k=1).indices
        tensor([[1]])
    """
    found = index.search(queries.contiguous().numpy(), k + 1)
    similarities, indices = (torch.from_numpy(array) for array in found)
    itself = indices == own[:, None]
    itself[~itself.any(1), -1] = True  # where many equal rows crowd it out, the last gives way
    stay = ~itself
    return Nearest(similarities[stay].view(-1, k), indices[stay].view(-1, k))


def neighbour_votes(indices: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Count the classes of each sample's neighbours.

    Args:
        indices: `(N, k)`, int64; -1 for none.
        labels: `(M,)`, int64, of the rows that the indices name.
        num_classes: K.

    Returns:
        `(N, K)`, int64.

    Examples:
        >>> neighbour_votes(torch.tensor([[0, 1], [1, -1]]), torch.tensor([1, 0]), 2)
        tensor([[1, 1], [1, 0]])
    """
    votes = torch.zeros(len(indices), num_classes, dtype=torch.int64)
    found = indices >= 0
    return votes.scatter_add_(1, labels[indices.clamp_min(0)], found.long())


def confused_pairs(
    votes: Tensor, labels: Tensor, names: "Sequence[str]", *, most: int = 10
) -> list[dict[str, Any]]:
    """List the classes that most often have the other's samples as neighbours.

    Args:
        votes: `(N, K)`, int64, as `neighbour_votes` counts them.
        labels: `(N,)`, int64, of the samples.
        names: of the K classes.
        most: pairs to give at most.

    Returns:
        rows `first, second, share`: of all neighbours of both classes' samples, the share that is
        of the other one; largest first, none that is 0.

    Examples:
        >>> votes, labels = torch.tensor([[1, 1], [0, 2]]), torch.tensor([0, 1])
        >>> confused_pairs(votes, labels, ("cat", "dog"))
        [{'first': 'cat', 'second': 'dog', 'share': 0.25}]
    """
    table = torch.zeros(len(names), len(names), dtype=torch.int64)
    table.index_add_(0, labels, votes)
    both = table + table.T
    total = table.sum(1)[:, None] + table.sum(1)
    share = (both / total.clamp_min(1)).triu(1)
    values, places = share.flatten().topk(min(most, share.numel()))
    return [
        {
            "first": names[place // len(names)],
            "second": names[place % len(names)],
            "share": round(value, 6),
        }
        for value, place in zip(values.tolist(), places.tolist(), strict=True)
        if value > 0
    ]
