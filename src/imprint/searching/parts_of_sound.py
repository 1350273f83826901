"""Why two sounds are similar: in timbre or in harmony, beside what is usual."""

from typing import Literal

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.hearing import SOUND_DIMENSIONS, TIMBRE
from imprint.similarity import cosine_similarity

__all__ = ["PARTS", "Part", "agreeing_parts", "part_similarities"]

Part = Literal["timbre", "harmony"]

PARTS: tuple[Part, ...] = ("timbre", "harmony")


def part_similarities(queries: Tensor, sounds: Tensor) -> Tensor:
    """Compare sounds in timbre and in harmony.

    Args:
        queries: `(L, 64)`, L at least 1, as `sound_vectors` gives them.
        sounds: `(N, 64)`, likewise.

    Returns:
        `(N, 2)`: the mean over the queries of each part's cosine, timbre first; 0 for silence.

    Raises:
        InvalidValueError: for other shapes.

    Examples:
        >>> one = torch.eye(64)[:1]
        >>> part_similarities(one, one)
        tensor([[1., 0.]])
    """
    for name, rows in (("queries", queries), ("sounds", sounds)):
        if rows.ndim != 2 or rows.shape[1] != SOUND_DIMENSIONS:
            expected = f"(N, {SOUND_DIMENSIONS})"
            raise InvalidValueError(f"{name}: expected {expected}, got {tuple(rows.shape)}")
    parts = (slice(TIMBRE), slice(TIMBRE, None))
    similar = [cosine_similarity(sounds[:, part], queries[:, part]).mean(1) for part in parts]
    return torch.stack(similar, 1)


def agreeing_parts(similarities: Tensor, usual: Tensor) -> list[Part]:
    """Tell which part of each sound agrees more than is usual.

    The one whose similarity lies more of its deviations above its mean.

    Args:
        similarities: `(N, 2)`, as `part_similarities` gives them.
        usual: `(S, 2)`, of the same queries and sounds that were not chosen.

    Returns:
        N times `timbre` or `harmony`.

    Examples:
        >>> agreeing_parts(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.1, 0.4], [0.2, 0.6]]))
        ['timbre']
    """
    if len(usual) < 2:
        return [PARTS[place] for place in similarities.argmax(1).tolist()]
    deviation = usual.std(0, correction=0)
    above = (similarities - usual.mean(0)) / deviation.where(deviation > 0, 1.0)
    return [PARTS[place] for place in above.argmax(1).tolist()]
