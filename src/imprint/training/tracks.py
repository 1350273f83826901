"""Sounds by their tracks: split, and judged by how well tracks are found."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.shares import check_share
from imprint.types import ImageSet

__all__ = ["TrackMatches", "held_out_tracks", "match_tracks", "split_tracks", "tracks_of"]


class TrackMatches(NamedTuple):
    """What each of N sounds finds among the others.

    Attributes:
        rank: `(N,)`, int64, of the first one of its own track, from 1; 0 where that has no other.
        nearest: `(N,)`, int64, the most similar one's place; -1 where there is no other.
        similarity: `(N,)`, to that one; NaN where there is none.
        own: `(N,)`, to the most similar one of its own track; NaN where there is none.
    """

    rank: Tensor
    nearest: Tensor
    similarity: Tensor
    own: Tensor

    def found_within(self, most: int) -> list[float]:
        """Give the shares of sounds whose track is among the first one, two … found.

        Args:
            most: how many shares, at least 1.

        Returns:
            Ascending, of the sounds whose track has another one; nothing where there are none.
        """
        asked = self.rank[self.rank > 0]
        if not len(asked):
            return []
        return [float((asked <= count).double().mean()) for count in range(1, most + 1)]


def split_tracks(part: ImageSet, test_share: float, *, seed: int = 0) -> tuple[ImageSet, ImageSet]:
    """Split sounds by whole tracks: those to learn from, and those to judge on.

    Args:
        part: sounds; `groups` are their tracks, at least three of them.
        test_share: of the tracks, in (0, 1); at least one stays on each side.
        seed: that draws them.

    Returns:
        Both.

    Raises:
        InvalidValueError: for too few tracks, or a share out of range.

    Examples:
        >>> sounds = torch.zeros(6, 2, 64, 4, dtype=torch.uint8)
        >>> labels, tracks = torch.zeros(6, dtype=torch.int64), torch.arange(6) // 2
        >>> train, test = split_tracks(ImageSet(sounds, labels, ("",), groups=tracks), 0.3)
        >>> len(train), len(test)
        (4, 2)
    """
    test = held_out_tracks(part, test_share, seed=seed)
    return part.taken(~test), part.taken(test)


def held_out_tracks(part: ImageSet, test_share: float, *, seed: int = 0) -> Tensor:
    """Say which sounds `split_tracks` judges on.

    Args:
        part: likewise.
        test_share: likewise.
        seed: likewise.

    Returns:
        `(N,)`, bool.

    Raises:
        InvalidValueError: for too few tracks, or a share out of range.

    Examples:
        >>> sounds = torch.zeros(6, 2, 64, 4, dtype=torch.uint8)
        >>> labels, tracks = torch.zeros(6, dtype=torch.int64), torch.arange(6) // 2
        >>> int(held_out_tracks(ImageSet(sounds, labels, ("",), groups=tracks), 0.3).sum())
        2
    """
    check_share("test_share", test_share)
    tracks = tracks_of(part, "data").unique()  # type: ignore[no-untyped-call]
    if len(tracks) < 3:
        raise InvalidValueError(f"data: expected at least 3 tracks, got {len(tracks)}")
    drawn = tracks[torch.randperm(len(tracks), generator=generator_of(seed))]
    held = min(max(1, round(test_share * len(tracks))), len(tracks) - 1)
    return torch.isin(tracks_of(part, "data"), drawn[:held])


def match_tracks(vectors: Tensor, part: ImageSet) -> TrackMatches:
    """Find, for each sound, the most similar other one, and the first of its own track.

    Args:
        vectors: `(N, D)`, of the sounds; compared by cosine.
        part: the sounds; `groups` are their tracks.

    Returns:
        What each finds.

    Examples:
        >>> sounds = torch.zeros(4, 2, 64, 4, dtype=torch.uint8)
        >>> labels, tracks = torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1])
        >>> part = ImageSet(sounds, labels, ("",), groups=tracks)
        >>> vectors = torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.8, 0.1]])
        >>> matches = match_tracks(vectors, part)
        >>> matches.rank, matches.nearest, matches.found_within(2)
        (tensor([1, 2, 1, 3]), tensor([1, 3, 3, 1]), [0.5, 0.75])
    """
    tracks, rows = tracks_of(part, "part"), F.normalize(vectors.float(), dim=1)
    found = [_match(rows @ rows[place], tracks, place) for place in range(len(rows))]
    rank, nearest, similarity, own = zip(*found, strict=True) if found else ((),) * 4
    whole = torch.tensor(rank, dtype=torch.int64), torch.tensor(nearest, dtype=torch.int64)
    return TrackMatches(*whole, torch.tensor(similarity), torch.tensor(own))


def _match(similar: Tensor, tracks: Tensor, place: int) -> tuple[int, int, float, float]:
    """Rank, place and similarities of what one sound finds among all."""
    others, none = torch.arange(len(similar)) != place, torch.nan
    same = others & (tracks == tracks[place])
    if not bool(others.any()):
        return 0, -1, none, none
    nearest = int(similar.where(others, -torch.inf).argmax())
    if not bool(same.any()):
        return 0, nearest, float(similar[nearest]), none
    own = similar[same].max()
    rank = 1 + int((similar[others & ~same] > own).sum())
    return rank, nearest, float(similar[nearest]), float(own)


def tracks_of(part: ImageSet, name: str) -> Tensor:
    """Give the track of each sound.

    Args:
        part: the sounds.
        name: what they are called in an error.

    Returns:
        `(N,)`, int64.

    Raises:
        InvalidValueError: for images of something else, or of no known track.

    Examples:
        >>> sounds, labels = torch.zeros(2, 2, 64, 4, dtype=torch.uint8), torch.zeros(2).long()
        >>> tracks_of(ImageSet(sounds, labels, ("",), groups=torch.tensor([4, 4])), "data")
        tensor([4, 4])
    """
    if part.groups is None or part.floats or part.images.shape[1] != 2:
        got = f"{tuple(part.images.shape)} of {part.images.dtype}"
        raise InvalidValueError(f"{name}: expected audio, whose tracks are known; got {got}")
    return part.groups
