"""What a search found, in pictures, and why: maps of the channels that agree most."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.finding.images import RowImages
from imprint.report import (
    Grid,
    PairLook,
    QueryLook,
    Shown,
    WhyLook,
    largest,
    map_grid,
    picture,
)
from imprint.searching import Found, Gallery, Pair, Signer, strongest_agreement

__all__ = ["look_of", "look_of_pair"]

EXPLAINED = 3
"""Rows of a query that are explained, the first ones."""

CHANNELS = 6
"""Channels that explain one."""

SIDE = 64
"""Pixels of a map's longer side, at most."""


def look_of(
    gallery: Gallery, name: str, query: str | Tensor, found: Sequence[Found], images: RowImages
) -> QueryLook:
    """Show a query, what it found, and why.

    Args:
        gallery: that was searched.
        name: what the user called the query.
        query: an id, or an image `(C, H, W)`.
        found: what it found.
        images: reads those of the rows.

    Returns:
        The pictures, of those that can be read.

    Examples:
        >>> gallery = Gallery("nowhere")
        >>> look_of(gallery, "a", torch.zeros(1, 8, 8).byte(), [], RowImages(None)).title
        'a'
    """
    own = images.of_row(gallery.row(query)) if isinstance(query, str) else query
    others = {row.id: images.of_row(row) for row in found}
    shown = [Shown(picture(image), _note(row)) for row in found
             if (image := others[row.id]) is not None]  # fmt: skip
    known = gallery.about is not None and bool(gallery.about.layer)  # else they have no channels
    explained = found[:EXPLAINED] if known else ()
    whys = [_why(gallery, query, row, own, others[row.id]) for row in explained]
    itself = None if own is None else Shown(picture(own), name)
    return QueryLook(name, itself, shown, len(found) - len(shown), whys)


def look_of_pair(gallery: Gallery, pair: Pair, images: RowImages) -> PairLook:
    """Show two rows that are almost the same.

    Args:
        gallery: that was searched.
        pair: of its rows.
        images: reads those of the rows.

    Returns:
        The pictures, of those that can be read.

    Examples:
        >>> look_of_pair.__name__
        'look_of_pair'
    """
    rows = [gallery.row(own) for own in (pair.first, pair.second)]
    read = [(row.id, images.of_row(row)) for row in rows]
    shown = [Shown(picture(image), own) for own, image in read if image is not None]
    return PairLook(f"{pair.first} and {pair.second}: {pair.similarity:.4f}", shown)


def _note(row: Found) -> str:
    label = "" if row.label is None else f", {row.label}"
    return f"{row.rank}. {row.id}{label}, {row.similarity:.4f}"


def _why(
    gallery: Gallery, query: str | Tensor, row: Found, own: Tensor | None, other: Tensor | None
) -> WhyLook:
    """Why a row was found."""
    left, right = gallery.signature_of(query), gallery.signature_of(row.id)
    agreement = strongest_agreement(left, right, k=CHANNELS)
    maps = None
    if own is not None and other is not None and isinstance(gallery.signer, Signer):
        maps = _maps(gallery.signer, [own, other], agreement.channels)
    parts = agreement.parts.tolist()
    channels = list(zip(agreement.channels.tolist(), parts, strict=True))
    return WhyLook(f"Why {row.id}", maps, channels, row.similarity - sum(parts))


def _maps(signer: Signer, images: list[Tensor], channels: Tensor) -> Grid | None:
    """The maps of some channels, of one image above the other's; None where a layer has none."""
    each = [signer.maps(image[None])[0] for image in images]
    if any(maps.ndim != 3 for maps in each):
        return None
    tiles = torch.cat([maps[channels.to(maps.device)] for maps in each]).float().cpu()
    note = f"maps of the channels {', '.join(map(str, channels.tolist()))}"
    return map_grid(tiles, scale=largest(tiles), note=note, columns=len(channels), side=SIDE)
