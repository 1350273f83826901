"""Pictures on a page: with what is said of each, for those who see it and those who hear it."""

from collections.abc import Iterable, Sequence
from html import escape

from torch import Tensor

from imprint.report import Grid, Shown, tile_grid

__all__ = ["answer_bars", "captioned", "gallery", "large_picture", "notice"]

LARGE = 224
"""Pixels of a picture that stands alone."""


def notice(text: str, *, wrong: bool = False) -> str:
    """Say something in a sentence or two; a screen reader is told at once.

    Args:
        text: plain.
        wrong: whether something did not go as it was asked.

    Returns:
        HTML.

    Examples:
        >>> notice("a < b")
        '<p class="notice" role="status">a &lt; b</p>'
    """
    kind, role = ("notice wrong", "alert") if wrong else ("notice", "status")
    return f'<p class="{kind}" role="{role}">{escape(text)}</p>'


def captioned(source: str, caption: str, *, described: str | None = None, width: int = 0) -> str:
    """Show a picture with its caption.

    Args:
        source: a `data:` address.
        caption: plain text below it.
        described: what a screen reader says; None for the caption.
        width: of the picture in pixels; 0 for its own.

    Returns:
        HTML.

    Examples:
        >>> "<figcaption>a cat</figcaption>" in captioned("data:,", "a cat")
        True
    """
    said = escape(caption if described is None else described, quote=True)
    style = f' style="width:{width}px"' if width else ""
    image = f'<img src="{escape(source, quote=True)}" alt="{said}"{style}>'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def gallery(pictures: Iterable[Shown], *, empty: str = "There are none.") -> str:
    """Show pictures side by side.

    Args:
        pictures: with their notes.
        empty: what is said where there is none.

    Returns:
        HTML.

    Examples:
        >>> gallery([])
        '<p class="notice" role="status">There are none.</p>'
    """
    shown = [captioned(own.source, own.note, width=96) for own in pictures]
    return f'<div class="gallery">{"".join(shown)}</div>' if shown else notice(empty)


def large_picture(image: Tensor, caption: str) -> str:
    """Show one image enlarged, its pixels as they are.

    Args:
        image: `(C, H, W)`, uint8, C of 1 or 3, or of 2 for sound.
        caption: plain text.

    Returns:
        HTML.

    Examples:
        >>> import torch
        >>> 'alt="a cat"' in large_picture(torch.zeros(1, 4, 4).byte(), "a cat")
        True
    """
    shown: Grid = tile_grid([image], note=caption, side=LARGE)
    return captioned(shown.source, caption, width=LARGE)


def answer_bars(title: str, answers: Sequence[tuple[str, float]], *, note: str = "") -> str:
    """Show what a network takes an image for, a bar a class.

    Args:
        title: whose answer it is.
        answers: classes and their probabilities, the most probable first.
        note: what else is to be said.

    Returns:
        HTML.

    Examples:
        >>> "87.5 %" in answer_bars("A", [("cat", 0.875)])
        True
    """
    rows = "".join(
        f'<li><span class="name" title="{escape(name)}">{escape(name)}</span>'
        f'<span class="bar" aria-hidden="true"><i style="width:{100 * share:.1f}%"></i></span>'
        f'<span class="share">{100 * share:.1f} %</span></li>'
        for name, share in answers
    )
    said = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return f'<section class="answers"><h3>{escape(title)}</h3><ol>{rows}</ol>{said}</section>'
