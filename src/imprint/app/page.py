"""The page: a title, and a tab for each thing to do."""

from pathlib import Path
from typing import Any

from imprint.app.explore_tab import explore_tab
from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, choices_of
from imprint.app.fool_tab import fool_tab
from imprint.app.listen_tab import listen_tab
from imprint.app.run_list import list_runs
from imprint.app.see_tab import see_tab
from imprint.app.sources import Sources
from imprint.app.train_tab import train_tab

__all__ = ["STYLE", "build_page", "page_theme"]

STYLE = Path(__file__).with_name("page.css")

HEAD = """# Imprint
What a network knows: see it train, look at its data, look into it, fool it, find what sounds alike.
"""

LANGUAGE = "() => { document.documentElement.lang = 'en'; }"


def build_page(sources: Sources) -> Any:
    """Build the page.

    Args:
        sources: what its tabs draw from.

    Returns:
        Gradio's blocks.

    Examples:
        >>> build_page.__name__
        'build_page'
    """
    gr = gradio()
    with gr.Blocks(title="Imprint", analytics_enabled=False, fill_width=False) as page:
        gr.Markdown(HEAD)
        with gr.Tabs():
            look, inputs, outputs = train_tab(sources)
            explored = explore_tab(sources)
            seen = see_tab(sources)
            fooled = fool_tab(sources)
            listen_tab(sources)
        page.load(look, inputs, outputs, show_progress="hidden", **AS_IT_IS)
        page.load(
            lambda: _listed(sources),
            None,
            [explored, seen, *fooled],
            show_progress="hidden",
            api_visibility="private",
            js=LANGUAGE,
        )
    page.has_launched = True  # mounted, it would never be, and take any file for an upload
    return page


def _listed(sources: Sources) -> list[Any]:
    """The lists of runs as they are when the page opens."""
    gr = gradio()
    explored, trained = (
        [own for own in list_runs(sources.folders, command) if own.state == "done"]
        for command in ("explore", "train")
    )
    known = [own for own in trained if not own.code]  # what is not loaded is no first choice
    first = (known or trained)[:1]
    beside = [own for own in known[1:] if own.data == first[0].data] or first
    lists = ((explored, explored), (trained, first), (trained, first), (trained, beside))
    return [
        gr.Dropdown(choices=choices_of(runs), value=next((own.name for own in chosen), None))
        for runs, chosen in lists
    ]


def page_theme() -> Any:
    """Choose colours, and fonts that every machine has.

    Returns:
        The theme; nothing of it lies on another host.

    Examples:
        >>> page_theme.__name__
        'page_theme'
    """
    gr = gradio()
    return gr.themes.Default(
        primary_hue="teal",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
