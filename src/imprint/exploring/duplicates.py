"""Images that are there twice: equal to the bit, or nearly."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from imprint.exploring.extras import require
from imprint.exploring.neighbours import build_index, search
from imprint.exploring.spectra import (
    SIDE,
    aligned_correlation,
    profile_correlation,
    profiles,
    shrink,
    spectrum,
    thumbnails,
)

__all__ = ["digests", "equal_groups", "joined_groups", "near_pairs"]

CANDIDATES = 5
"""Nearest spectra that are looked at more closely."""

DISTANT = 30
"""Place of one more candidate, to hold the nearest against where all of them are copies."""

OUTLINED = 0.98
"""Correlation of profiles from which on a pair is looked at more closely."""

CORRELATED = 0.985
"""Aligned correlation of near duplicates, at least."""

CLOSER = 0.4
"""Share of what the median candidate differs that a near duplicate may differ."""

FAR_CLOSER = 0.2
"""The same, where the median is of those only that are no near duplicates: many copies of one image
are each other's candidates."""

EQUAL = 0.9999
"""Aligned correlation from which on nothing else matters."""

CHANNEL_CORRELATED = 0.9
"""Aligned correlation of each channel of near duplicates, at least."""

CAST = 0.1
"""By how much a channel may differ beside the brightness, in [0, 1]."""

EVEN = 0.02
"""Standard deviation below which a channel is of one value, but for noise."""

PROJECTED = 48
"""Entries that a spectrum is brought down to for the search."""

SAMPLED = 20_000
"""Images from which this is learnt."""

AT_ONCE = 4096
"""Images worked on at a time."""


def digests(images: Tensor) -> Tensor:
    """Digest each image to 64 bits.

    Args:
        images: `(N, …)`, uint8.

    Returns:
        `(N,)`, int64; equal images have equal ones.

    Source: BLAKE2 (Aumasson et al. 2013).

    Examples:
        >>> len(digests(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)).unique())
        1
    """
    rows = np.ascontiguousarray(images.flatten(1).numpy())
    joined = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return torch.from_numpy(np.frombuffer(joined, np.int64).copy())


def equal_groups(digests: Tensor) -> Tensor:
    """Group samples of equal digests.

    Args:
        digests: `(N,)`, int64.

    Returns:
        `(N,)`, int64: the group's number, from 0 in the order of its first sample; -1 for a sample
        that is alone.

    Examples:
        >>> equal_groups(torch.tensor([7, 5, 7, 6]))
        tensor([ 0, -1,  0, -1])
    """
    _, group, counts = torch.unique(digests, return_inverse=True, return_counts=True)
    return _numbered(group, counts[group] > 1)


def joined_groups(pairs: Tensor, count: int) -> Tensor:
    """Group samples that pairs join, directly or through others.

    Args:
        pairs: `(P, 2)`, int64, in `0 … count-1`.
        count: N, the samples.

    Returns:
        `(N,)`, int64, as `equal_groups` numbers them.

    Examples:
        >>> joined_groups(torch.tensor([[1, 3], [3, 4]]), 5)
        tensor([-1,  0, -1,  0,  0])
    """
    coo_array = require("scipy.sparse").coo_array
    components = require("scipy.sparse.csgraph").connected_components
    first, second = pairs.T.numpy()
    graph = coo_array((np.ones(len(pairs), np.int8), (first, second)), shape=(count, count))
    group = torch.from_numpy(components(graph, directed=False)[1]).long()
    paired = torch.zeros(count, dtype=torch.bool)
    paired[pairs.flatten()] = True
    return _numbered(group, paired)


def near_pairs(read: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """Find pairs of images that are nearly equal: shifted, brightened, darkened or a little noisy.

    The nearest spectra, with and without a window, are candidates. A pair is near where its
    images, aligned, correlate by at least 0.985 and differ by at most 0.4 of what the median of
    the other candidates of one of them differs: so alike trousers among a thousand alike trousers
    are none.

    Args:
        read: gives the images `(B, C, H, W)`, uint8, of rows `(B,)`, int64.
        count: N, the number of rows.

    Returns:
        `(P, 2)`, int64, the smaller row first, in order, each pair once; equal images too.

    Raises:
        InvalidValueError: for images that are not `(B, C, H, W)` of uint8.
        MissingExtraError: without `imprint[explore]`.

    Source: the ratio test is Lowe's (2004), with the median for the second.

    Examples:
        >>> images = torch.randint(256, (30, 1, 16, 16), dtype=torch.uint8)
        >>> images[7] = images[3].roll(1, 2)
        >>> near_pairs(lambda rows: images[rows], 30)
        tensor([[3, 7]])
    """
    if count < 2:
        return torch.empty(0, 2, dtype=torch.int64)
    finders = [_Finder(read, count, window=window) for window in (False, True)]
    chunks = torch.split(torch.arange(count), AT_ONCE)
    first = profiles(thumbnails(read(chunks[0][:1])))
    across, down = (axis.new_empty(count, axis.shape[1]) for axis in first)
    for rows in chunks:
        grey = thumbnails(read(rows))
        across[rows], down[rows] = profiles(grey)
        for finder in finders:
            finder.add(grey)
    found: list[list[int]] = []
    for rows in chunks:
        nearest, distant = zip(*(finder.candidates(rows) for finder in finders), strict=True)
        candidates = torch.cat((*nearest, *distant), 1)
        likely = _likely((across, down), rows, candidates)
        worth = likely.any(1)
        found += _pairs_of(rows[worth], candidates[worth], likely[worth], read).tolist()
    pairs = torch.tensor(found, dtype=torch.int64).view(-1, 2).sort(1).values
    return torch.unique(pairs, dim=0)  # type: ignore[no-any-return]


class _Finder:
    """Finds images of like spectra."""

    def __init__(self, read: Callable[[Tensor], Tensor], count: int, *, window: bool) -> None:
        self._window = window
        shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        spectra = spectrum(thumbnails(read(shuffled[:SAMPLED].sort().values)), window=window)
        self._project = _projection(spectra)
        self._index = build_index(self._project(spectra), count, compact=True)

    def add(self, grey: Tensor) -> None:
        self._index.add(self._project(spectrum(grey, window=self._window)).numpy())

    def candidates(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest of each row, and one more distant, `(N, k)`; rows follow one another."""
        k = min(DISTANT, self._index.ntotal - 1)
        vectors = torch.from_numpy(self._index.reconstruct_n(int(rows[0]), len(rows)))
        found = search(self._index, vectors, rows, k=k).indices
        return found[:, :CANDIDATES], found[:, CANDIDATES:][:, -1:]


def _projection(spectra: Tensor) -> Callable[[Tensor], Tensor]:
    """Learn a map to fewer entries, of length 1, in which spectra differ most."""
    centre = spectra.mean(0)
    width = min(PROJECTED, *spectra.shape)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # torch.manual_seed would reach every GPU
        axes = torch.pca_lowrank(spectra - centre, width, center=False)[2]

    def project(spectra: Tensor) -> Tensor:
        return torch.nn.functional.normalize((spectra - centre) @ axes, dim=1)

    return project


def _likely(outlines: tuple[Tensor, Tensor], rows: Tensor, candidates: Tensor) -> Tensor:
    """Whether a row and a candidate have like profiles, `(N, k)`, bool."""
    k = candidates.shape[1]
    own, other = rows.repeat_interleave(k), candidates.clamp_min(0).flatten()
    (across, down) = outlines
    pairs = profile_correlation((across[own], down[own]), (across[other], down[other]))
    return (pairs >= OUTLINED).view(-1, k) & (candidates >= 0)


def _pairs_of(
    rows: Tensor, candidates: Tensor, likely: Tensor, read: Callable[[Tensor], Tensor]
) -> Tensor:
    """The near duplicates of some rows, each as a pair: likely ones first, then their rivals."""
    if not len(rows):
        return torch.empty(0, 2, dtype=torch.int64)
    grey = thumbnails(read(rows))
    correlation = torch.zeros(candidates.shape)
    correlation[likely] = _correlations(grey, candidates, likely, read)
    rivals = (correlation >= CORRELATED).any(1)[:, None] & ~likely & (candidates >= 0)
    correlation[rivals] = _correlations(grey, candidates, rivals, read)
    residual = (1 - correlation).clamp_min(0).sqrt()
    nearest = residual[:, : 2 * CANDIDATES]
    closer = residual <= CLOSER * nearest.median(1, keepdim=True).values
    closer |= residual <= FAR_CLOSER * _of_rivals(residual, correlation < CORRELATED)
    near = (correlation >= CORRELATED) & (closer | (correlation >= EQUAL))
    pairs = torch.stack((rows[:, None].expand_as(near)[near], candidates[near]), 1)
    return pairs[_same_colours(pairs, read)]


def _same_colours(pairs: Tensor, read: Callable[[Tensor], Tensor]) -> Tensor:
    """Whether the channels of each pair are alike too, `(P,)`, bool: red is no copy of green."""
    if not len(pairs):
        return torch.zeros(0, dtype=torch.bool)
    left, right = (shrink(read(side.contiguous()), SIDE) / 255 for side in pairs.T)
    casts = [images.mean((2, 3)) - images.mean((1, 2, 3))[:, None] for images in (left, right)]
    same = (casts[0] - casts[1]).abs().amax(1) <= CAST
    for channel in range(left.shape[1]):
        one, other = left[:, channel : channel + 1], right[:, channel : channel + 1]
        even = (one.std((1, 2, 3)) < EVEN) & (other.std((1, 2, 3)) < EVEN)
        same &= even | (aligned_correlation(one, other) >= CHANNEL_CORRELATED)
    return same


def _of_rivals(residual: Tensor, rival: Tensor) -> Tensor:
    """What rivals differ in the median, `(N, 1)`; 0 where there is none."""
    known = residual.masked_fill(~rival, torch.nan)
    return known.nanmedian(1, keepdim=True).values.nan_to_num(0)


def _correlations(
    grey: Tensor, candidates: Tensor, chosen: Tensor, read: Callable[[Tensor], Tensor]
) -> Tensor:
    """Aligned correlations of chosen pairs of a row and a candidate."""
    own, place = chosen.nonzero(as_tuple=True)
    if not len(own):
        return torch.zeros(0)
    pairs = zip(
        torch.split(own, AT_ONCE), torch.split(candidates[own, place], AT_ONCE), strict=True
    )
    done = [aligned_correlation(grey[left], thumbnails(read(right))) for left, right in pairs]
    return torch.cat(done)


def _numbered(group: Tensor, member: Tensor) -> Tensor:
    """Number the groups of members from 0 in the order of their first; -1 for the others."""
    numbers = torch.full_like(group, -1)
    firsts: dict[int, int] = {}
    for row in member.nonzero()[:, 0].tolist():
        numbers[row] = firsts.setdefault(int(group[row]), len(firsts))
    return numbers
