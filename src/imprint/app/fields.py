"""Fields that several tabs share: each has a label, and says what to do where it is empty."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from imprint.app.extra import gradio
from imprint.app.pictures import notice
from imprint.app.run_list import ListedRun, list_runs
from imprint.app.sources import Sources
from imprint.data import spelled
from imprint.errors import ImprintError

__all__ = [
    "AS_IT_IS",
    "UPLOAD",
    "chart",
    "choices_of",
    "file_field",
    "picture_field",
    "plotted",
    "run_field",
    "shortened",
    "telling",
]

Figure = dict[str, Any]

AS_IT_IS = {"api_visibility": "private", "preprocess": False}
"""Of a step that takes what lists and numbers hold as it is: Gradio's own check of a list that was
brought up to date just now, or of a number that is being typed, fails with no word of ours. What
uses it says what is wrong with it."""

UPLOAD = {"preprocess": True}
"""What is other for a step that takes a file that was dropped."""

INK, LINES = "#7b8494", "rgba(128, 136, 148, 0.25)"
"""Colours of text and lines of charts, which can be read on light pages and dark."""


def choices_of(runs: Sequence[ListedRun]) -> list[tuple[str, str]]:
    """Give a list's choices, what is shown and what is chosen.

    Args:
        runs: listed.

    Returns:
        Pairs of title and name.

    Examples:
        >>> run = ListedRun("first", "train", "conv4 on mnist", "mnist", "running", "", 0.0)
        >>> choices_of([run])
        [('first (running, conv4 on mnist)', 'first')]
    """
    return [(own.title, own.name) for own in runs]


def run_field(sources: Sources, label: str, *commands: str) -> Any:
    """Make a list of runs to choose from; each visit of the page brings it up to date.

    Args:
        sources: of the app.
        label: of the field.
        commands: by which the runs were made.

    Returns:
        The field.

    Examples:
        >>> run_field.__name__
        'run_field'
    """

    def listed() -> list[tuple[str, str]]:
        return choices_of(list_runs(sources.folders, *commands))

    first = listed()
    return gradio().Dropdown(
        first, value=first[0][1] if first else None, label=label, interactive=True, filterable=True
    )


def picture_field(label: str) -> Any:
    """Make a field that an image is dropped into, or pasted; it hands out the file as it came.

    Args:
        label: of the field.

    Returns:
        The field.

    Examples:
        >>> picture_field.__name__
        'picture_field'
    """
    field = gradio().Image(
        label=label, sources=["upload", "clipboard"], type="filepath", height=220, buttons=[]
    )
    field.preprocess = _path_of  # Gradio's would open the file, and fail with no word of ours
    return field


def file_field(label: str, suffixes: Iterable[str]) -> Any:
    """Make a field that a file is dropped into.

    Args:
        label: of the field.
        suffixes: of the kinds of file.

    Returns:
        The field.

    Examples:
        >>> file_field.__name__
        'file_field'
    """
    field = gradio().File(label=label, file_types=sorted(suffixes), height=140)
    field.preprocess = _path_of
    return field


def _path_of(payload: Any) -> str | None:
    """Where an upload lies; Gradio has checked that it lies in the app's own folder."""
    return None if payload is None else payload.path


def chart(label: str, *, visible: bool = True) -> Any:
    """Make a place for a chart.

    Args:
        label: what it shows.
        visible: whether it is to be seen before it is drawn.

    Returns:
        The field.

    Examples:
        >>> chart.__name__
        'chart'
    """
    return gradio().Plot(label=label, visible=visible, show_label=False)


def plotted(title: str, figure: Figure | None) -> Any:
    """Turn a chart into what a place for one takes, with colours for light pages and dark.

    Args:
        title: of the chart.
        figure: `data` and `layout`; None hides the place.

    Returns:
        The update.

    Examples:
        >>> plotted.__name__
        'plotted'
    """
    if figure is None:
        return gradio().update(visible=False)
    import plotly.graph_objects as go

    axis = {"gridcolor": LINES, "linecolor": LINES, "zerolinecolor": LINES}
    drawn = go.Figure(figure)
    drawn.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "family": "system-ui, sans-serif"},
        title={"text": title, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 12}},
        title_font={"size": 15},
        margin={"t": 64},
        autosize=True,
        modebar={"remove": ["lasso2d", "select2d"]},
    )
    drawn.update_xaxes(axis)
    drawn.update_yaxes(axis)
    return gradio().update(value=drawn, visible=True)


def telling(look: Callable[..., str], *given: Any) -> str:
    """Make a part of the page, or say in its place why it cannot be made.

    Args:
        look: makes it, as HTML.
        given: its arguments.

    Returns:
        HTML.

    Examples:
        >>> def fail():
        ...     raise ImprintError("no such thing")
        >>> telling(fail)
        '<p class="notice wrong" role="alert">no such thing</p>'
    """
    try:
        return spelled(look(*given))
    except (ImprintError, OSError) as error:  # such as a run that is gone just now
        return notice(shortened(str(error)), wrong=True)


def shortened(text: str, most: int = 400) -> str:
    """Leave out of an error where the app keeps uploads, and what is too long.

    Args:
        text: of the error.
        most: characters.

    Returns:
        The text, with names of files for their paths in the app's own folder.

    Examples:
        >>> shortened("image: expected one, got none")
        'image: expected one, got none'
    """
    text, own = spelled(text), spelled(os.environ.get("GRADIO_TEMP_DIR", ""))
    if own:
        text = re.sub(rf"{re.escape(own)}/(?:[^/\s]+/)*", "", text)
    return text if len(text) <= most else f"{text[:most]}…"
