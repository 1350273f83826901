"""One self-contained page: templates filled, plotly.js and style inside, all text escaped."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Chart", "Figure", "render"]

Figure = dict[str, Any]
"""What plotly draws: `data`, a list of traces, and `layout`."""


@dataclass(frozen=True)
class Chart:
    """A figure with the words around it.

    Args:
        title: what it shows.
        figure: for plotly.
        caption: how to read it, in a sentence or two.
    """

    title: str
    figure: Figure
    caption: str


def render(template: str, **values: Any) -> str:
    """Fill a template of this package.

    Args:
        template: a file's name in `templates/`.
        values: what the template names; text is escaped for HTML.

    Returns:
        The page; it asks for nothing from any network.

    Examples:
        >>> page = render("page.html", title="a < b", summary="")
        >>> "<title>a &lt; b</title>" in page
        True
    """
    return _environment().get_template(template).render(plotly=_plotly, **values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("imprint.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _plotly() -> str:
    """The plotting library itself, read without importing its Python side, which takes seconds."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8")
