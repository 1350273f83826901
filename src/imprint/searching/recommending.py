"""Which rows to recommend: pure functions of signatures."""

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["AGAINST", "first_of_each", "spread_out", "taste"]

AGAINST = 1 / 3
"""Weight of what is not liked, that of what is liked being 1: 0.25 to 0.75, as Salton and Buckley
(1990) found best among Rocchio's weights."""


def taste(liked: Tensor, disliked: Tensor | None = None, *, against: float = AGAINST) -> Tensor:
    """Give the direction in which there is more of what is liked, and less of what is not.

    With all signatures brought to length 1, it is the mean of the liked ones, less `against` times
    the mean of the others. So a row's product with it is its mean similarity to what is liked, less
    `against` times that to what is not.

    Args:
        liked: `(L, D)`, L at least 1; in any order. Rows of zeros, such as silence, count for none.
        disliked: `(M, D)`; None, or M of 0, for none.
        against: weight of the disliked, at least 0.

    Returns:
        `(D,)`; zeros where nothing is liked that is not zeros.

    Raises:
        InvalidValueError: where shapes do not fit, or nothing is liked.

    Source: Rocchio (1971), "Relevance feedback in information retrieval", without a first query.

    Examples:
        >>> taste(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]]), against=0.5)
        tensor([ 1.0000, -0.5000])
    """
    if liked.ndim != 2 or not len(liked):
        raise InvalidValueError(f"liked: expected (L, D), L above 0, got {tuple(liked.shape)}")
    if against < 0:
        raise InvalidValueError(f"against: expected at least 0, got {against}")
    wanted = _mean_direction(liked)
    if disliked is None or not len(disliked) or not bool(wanted.any()):
        return wanted
    if disliked.ndim != 2 or disliked.shape[1] != liked.shape[1]:
        got = f"{tuple(disliked.shape)}"
        raise InvalidValueError(f"disliked: expected (M, {liked.shape[1]}), got {got}")
    return wanted - against * _mean_direction(disliked)


def first_of_each(tracks: Sequence[str], without: Collection[str] = ()) -> list[int]:
    """Take the first row of each track.

    Args:
        tracks: of the rows, the best first.
        without: tracks that none is taken of.

    Returns:
        The places of those taken, in order.

    Examples:
        >>> first_of_each(["a", "b", "a", "c"], without=["b"])
        [0, 3]
    """
    seen = set(without)
    taken = []
    for place, track in enumerate(tracks):
        if track not in seen:
            seen.add(track)
            taken.append(place)
    return taken


def spread_out(scores: Tensor, signatures: Tensor, *, k: int, spread: float) -> Tensor:
    """Choose k rows one after the other, each good and unlike those chosen before it.

    Each time the row with the largest `(1 - spread) score - spread similarity` is chosen, where
    similarity is the largest cosine with a row chosen already.

    Args:
        scores: `(N,)`, higher is better; cosines, scaled locally or not, so that both terms have
            one scale.
        signatures: `(N, D)`.
        k: how many; at most N are given.
        spread: in [0, 1]; 0 ranks by score alone, 1 looks at the score for the first row only.

    Returns:
        `(min(k, N),)`, int64, in the order of choice.

    Raises:
        InvalidValueError: for a spread out of range, or shapes that do not fit.

    Source: Carbonell and Goldstein (1998), "The use of MMR", maximal marginal relevance, with
        their λ as `1 - spread`.

    Examples:
        >>> rows = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
        >>> spread_out(torch.tensor([0.9, 0.8, 0.5]), rows, k=2, spread=0.5)
        tensor([0, 2])
    """
    if not 0 <= spread <= 1:
        raise InvalidValueError(f"spread: expected 0 … 1, got {spread}")
    if scores.ndim != 1 or signatures.ndim != 2 or len(signatures) != len(scores):
        got = f"{tuple(scores.shape)} and {tuple(signatures.shape)}"
        raise InvalidValueError(f"scores: expected (N,) and signatures (N, D), got {got}")
    rows = F.normalize(signatures, dim=1)
    gain, nearest = scores.clone(), torch.full_like(scores, -torch.inf)
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        best = int(gain.argmax())
        chosen.append(best)
        nearest = torch.maximum(nearest, rows @ rows[best])
        gain = (1 - spread) * scores - spread * nearest
        gain[chosen] = -torch.inf
    return torch.tensor(chosen, dtype=torch.int64)


def _mean_direction(rows: Tensor) -> Tensor:
    """The mean of rows at length 1; those of zeros count for none."""
    heard = rows[rows.any(1)]
    return F.normalize(heard, dim=1).mean(0) if len(heard) else rows.new_zeros(rows.shape[1])
