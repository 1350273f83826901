"""One palette for all charts: classes keep their colour, and most colour-blind readers can tell."""

from colorsys import hls_to_rgb

__all__ = ["class_colours"]

TOL = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee"),
    *("#aa3377", "#ee7733", "#009988", "#999999", "#8f5a2b"),
)
"""Paul Tol's bright scheme and four of his others, which stand out from dark and light alike."""


def class_colours(count: int) -> list[str]:
    """Give each class a colour.

    Args:
        count: K, the classes.

    Returns:
        K colours as `#rrggbb`; up to ten are chosen to be told apart, more go round the wheel.

    Source: Tol (2021), Colour schemes.

    Examples:
        >>> class_colours(2)
        ['#4477aa', '#ee6677']
    """
    if count <= len(TOL):
        return list(TOL[:count])
    golden = 0.618034  # neighbours lie far apart on the wheel
    return [_hex(k * golden % 1, (0.45, 0.6, 0.52)[k % 3]) for k in range(count)]


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = (round(255 * part) for part in hls_to_rgb(hue, lightness, 0.6))
    return f"#{red:02x}{green:02x}{blue:02x}"
