"""What to recommend out of an index, by what is liked and what is not."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.searching.hubs import scaled_locally, usual_in_index
from imprint.searching.parts_of_sound import PARTS, agreeing_parts, part_similarities
from imprint.searching.recommending import first_of_each, spread_out, taste
from imprint.searching.rows import Row, Stored
from imprint.searching.store import Store
from imprint.searching.suggested import Suggested, Why
from imprint.searching.tracks import track_of
from imprint.similarity import cosine_similarity

__all__ = ["Wish", "suggest"]

LOOKED_AT = 5
"""Tracks for each result among which others than the best by score may be chosen."""

LEAST = 100
"""Of these at least."""

SAMPLE = 500
"""Sounds of the index that tell what is usual."""


class Wish(NamedTuple):
    """What is liked, or not.

    Attributes:
        signature: `(D,)`.
        sound: `(64,)`, as `sound_vectors` gives it; None where it is of no sound.
        tracks: of which nothing is to be recommended.
    """

    signature: Tensor
    sound: Tensor | None = None
    tracks: Collection[str] = frozenset()


def suggest(
    store: Store,
    liked: Sequence[Wish],
    disliked: Sequence[Wish],
    *,
    k: int,
    spread: float,
    where: str | None = None,
    local_scaling: bool = False,
) -> list[Suggested]:
    """Find what is similar to what is liked and unlike what is not.

    Args:
        store: of the index.
        liked: at least one.
        disliked: any number.
        k: tracks to give, at most.
        spread: in [0, 1], as for `spread_out`.
        where: a filter in SQL.
        local_scaling: rank by the score less half of what is usual for the row.

    Returns:
        One row of each track, none of the tracks that were named. Nothing where all that is liked
        is silence.

    Examples:
        >>> import tempfile
        >>> from imprint.searching.about import About
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store.create(folder, About(dimensions=2))
        ...     suggest(store, [Wish(torch.ones(2))], [], k=3, spread=0)
        []
    """
    without = frozenset[str]().union(*(wish.tracks for wish in (*liked, *disliked)))
    heard, unheard = ([wish for wish in some if wish.signature.any()] for some in (liked, disliked))
    if not heard:
        return []
    wanted, unwanted = _stacked(heard), _stacked(unheard) if unheard else None
    number = max(LEAST, LOOKED_AT * k) if spread or local_scaling else k
    near = _candidates(store, taste(wanted, unwanted), number, without, where)
    vectors = store.rows([row.id for row, _ in near])  # a row may be deleted meanwhile
    found = [(vectors[row.id], score) for row, score in near if row.id in vectors]
    if not found:
        return []
    rows, scores = [own for own, _ in found], torch.tensor([score for _, score in found])
    if local_scaling:
        scores = scaled_locally(scores, usual_in_index(store, rows, where))
    signatures = torch.stack([own.signature for own in rows])
    order = spread_out(scores, signatures, k=k, spread=spread).tolist()
    chosen = [(rows[place], float(scores[place])) for place in order]
    return _told(chosen, wanted, unwanted, _whys(store, heard, [own for own, _ in chosen]))


def _told(
    chosen: Sequence[tuple[Stored, float]],
    wanted: Tensor,
    unwanted: Tensor | None,
    whys: Sequence[Why | None],
) -> list[Suggested]:
    """Say of each row how similar it is to what is liked, to what is not, and why."""
    signatures = torch.stack([own.signature for own, _ in chosen])
    similar = cosine_similarity(signatures, wanted).mean(1).tolist()
    unlike: list[float | None] = [None] * len(chosen)
    if unwanted is not None:
        unlike = cosine_similarity(signatures, unwanted).mean(1).tolist()
    told = zip(chosen, similar, unlike, whys, strict=True)
    return [
        Suggested(rank, row.id, row.path, score, liked, disliked, why, row.label, row.metadata)
        for rank, (((row, *_), score), liked, disliked, why) in enumerate(told, 1)
    ]


def _stacked(wishes: Sequence[Wish]) -> Tensor:
    return torch.stack([wish.signature for wish in wishes])


def _candidates(
    store: Store, direction: Tensor, number: int, without: Collection[str], where: str | None
) -> list[tuple[Row, float]]:
    """The best row of each of so many tracks; as many more rows are looked at as it takes."""
    size = 2 * number + len(without)
    while True:
        near = store.nearest(direction, size, where)
        taken = first_of_each([track_of(row) for row, _ in near], without)
        if len(taken) >= number or len(near) < size:
            return [near[place] for place in taken[:number]]
        size *= 4


def _whys(store: Store, liked: Sequence[Wish], found: Sequence[Stored]) -> list[Why | None]:
    """Which part of each sound agrees; None for what is no sound."""
    queries = [wish.sound for wish in liked if wish.sound is not None]
    sounds = [own.sound for own in found if own.sound is not None]
    if not queries or len(sounds) < len(found):
        return [None] * len(found)
    heard = torch.stack(queries)
    similar = part_similarities(heard, torch.stack(sounds))
    parts = agreeing_parts(similar, part_similarities(heard, store.sounds(SAMPLE)))
    return [
        Why(**dict(zip(PARTS, own, strict=True)), agrees=part)
        for own, part in zip(similar.tolist(), parts, strict=True)
    ]
