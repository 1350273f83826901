"""Sounds by their tracks: split, and judged by how well tracks are found."""

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.types import ImageSet

__all__ = ["same_track_first", "split_tracks", "tracks_of"]


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
    if not 0 < test_share < 1:
        raise InvalidValueError(f"test_share: expected a value in (0, 1), got {test_share}")
    tracks = tracks_of(part, "data").unique()  # type: ignore[no-untyped-call]
    if len(tracks) < 3:
        raise InvalidValueError(f"data: expected at least 3 tracks, got {len(tracks)}")
    drawn = tracks[torch.randperm(len(tracks), generator=generator_of(seed))]
    held = min(max(1, round(test_share * len(tracks))), len(tracks) - 1)
    test = torch.isin(tracks_of(part, "data"), drawn[:held])
    return part.taken(~test), part.taken(test)


def same_track_first(vectors: Tensor, part: ImageSet) -> tuple[float | None, float | None]:
    """Tell how often the most similar sound, or one of the first five, is of the same track.

    Args:
        vectors: `(N, D)`, of the sounds.
        part: the sounds; `groups` are their tracks.

    Returns:
        Both shares, of the sounds whose track has another one; None where there are none.

    Examples:
        >>> sounds = torch.zeros(4, 2, 64, 4, dtype=torch.uint8)
        >>> labels, tracks = torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1])
        >>> part = ImageSet(sounds, labels, ("",), groups=tracks)
        >>> same_track_first(torch.tensor([[1.0, 0], [0.9, 0.1], [0, 1.0], [0.1, 1]]), part)
        (1.0, 1.0)
    """
    tracks = tracks_of(part, "part")
    rows = F.normalize(vectors.float(), dim=1)
    first, five, asked = 0, 0, 0
    for place in range(len(rows)):
        similar = rows @ rows[place]
        similar[place] = -torch.inf
        near = similar.topk(min(5, len(rows) - 1)).indices if len(rows) > 1 else tracks[:0].long()
        if int((tracks == tracks[place]).sum()) > 1:
            same = tracks[near] == tracks[place]
            asked, first, five = asked + 1, first + int(same[0]), five + int(same.any())
    return (first / asked, five / asked) if asked else (None, None)


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
