"""A data set as points in the plane, by principal components or t-SNE; openTSNE's."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.exploring.extras import require

__all__ = ["Embedding", "principal_components", "tsne"]

SAMPLED = 10_000
"""Rows from which principal components are learnt."""

PERPLEXITY = 30
"""Neighbours that t-SNE keeps near."""


class Embedding(NamedTuple):
    """Points of a plane, and how to place more.

    Attributes:
        points: `(N, 2)`, float32.
        place: takes vectors `(M, D)` as those that were embedded, gives points `(M, 2)`.
    """

    points: Tensor
    place: Callable[[Tensor], Tensor]


def principal_components(vectors: Tensor, count: int = 2, *, seed: int = 0) -> Embedding:
    """Project vectors on the axes along which they vary most.

    Args:
        vectors: `(N, D)`, floats.
        count: axes, at most D and N.
        seed: of the rows, at most 10,000, that the axes are learnt from, and of the method.

    Returns:
        points `(N, count)`, each axis turned so that its largest weight is positive; `place`
        projects further vectors.

    Raises:
        InvalidValueError: for another shape, or a count out of range.

    Source: Halko, Martinsson & Tropp (2011), by `torch.pca_lowrank`.

    Examples:
        >>> vectors = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 6.0]])
        >>> principal_components(vectors, 1).points.flatten()
        tensor([-2., -1.,  3.])
    """
    if vectors.ndim != 2 or not 1 <= count <= min(vectors.shape):
        got = f"{tuple(vectors.shape)} and {count}"
        raise InvalidValueError(f"vectors, count: expected (N, D), count up to both; got {got}")
    shuffled = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
    sample = vectors[shuffled[:SAMPLED].sort().values].float()
    centre = sample.mean(0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        width = min(count + 6, *sample.shape)
        axes = torch.pca_lowrank(sample - centre, width, center=False, niter=4)[2][:, :count]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()

    def place(vectors: Tensor) -> Tensor:
        return (vectors.float() - centre) @ axes

    return Embedding(place(vectors), place)


def tsne(vectors: Tensor, *, seed: int = 0, threads: int | None = None) -> Embedding:
    """Lay vectors out in the plane so that neighbours stay neighbours.

    Args:
        vectors: `(N, D)`, floats, D of about 50 at most, N of at least 4.
        seed: of the method.
        threads: of the method; None takes torch's.

    Returns:
        points `(N, 2)`; `place` puts further vectors near their neighbours, and moves none.

    Raises:
        InvalidValueError: for another shape.
        MissingExtraError: without `imprint[explore]`.

    Source: van der Maaten & Hinton (2008); openTSNE (Poličar, Stražar & Zupan 2024), with the
    interpolation of Linderman et al. (2019) and the rate of Belkina et al. (2019).

    Examples:
        >>> tsne(torch.rand(20, 4)).points.shape
        torch.Size([20, 2])
    """
    if vectors.ndim != 2 or len(vectors) < 4:
        raise InvalidValueError(f"vectors: expected (N, D), N > 3; got {tuple(vectors.shape)}")
    has_plane = vectors.shape[1] > 1 and bool((vectors != vectors[0]).any())
    model = require("openTSNE").TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        initialization="pca" if has_plane else "random",
        random_state=seed,
        n_jobs=threads or torch.get_num_threads(),
    )
    fitted = model.fit(vectors.float().numpy())
    fitted -= (fitted.max(0) + fitted.min(0)) / 2  # as transform does, in place, before it begins

    def place(vectors: Tensor) -> Tensor:
        placed = fitted.transform(vectors.float().numpy())
        return torch.tensor(placed).float()

    return Embedding(torch.tensor(fitted).float(), place)
