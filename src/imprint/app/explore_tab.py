"""The tab Explore: the map of a data set, its outliers, and labels that are suspected."""

from typing import Any

from imprint.app.damage import told_as_damaged
from imprint.app.explored import (
    Explored,
    Sample,
    map_of,
    outliers_of,
    read_explored,
    shown,
    suspects_of,
)
from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, chart, plotted, run_field, shortened, telling
from imprint.app.pictures import gallery, notice
from imprint.app.sources import Sources
from imprint.errors import ImprintError

__all__ = ["explore_tab"]

ALL = "all classes"

NO_RUN = "There is no exploration here yet. Make one: imprint explore mnist --map pca"

NO_MAP = "This exploration has no map. One with a map: imprint explore DATA --map tsne"


def explore_tab(sources: Sources) -> Any:
    """Build the tab.

    Args:
        sources: of the app.

    Returns:
        What is to run when the tab opens: function, inputs and outputs.

    Examples:
        >>> explore_tab.__name__
        'explore_tab'
    """
    gr = gradio()
    with gr.Tab("Explore") as tab:
        with gr.Row():
            run = run_field(sources, "Exploration", "explore")
            label = gr.Dropdown([ALL], value=ALL, label="Class", interactive=True)
        said, points = gr.HTML(), chart("Map", visible=False)
        outliers, suspects = gr.HTML(), gr.HTML()

        def look(chosen: str | None) -> list[Any]:
            return _look(sources, chosen)

        def narrow(chosen: str | None, own: str | None) -> list[str]:
            return _galleries(sources, chosen, own or ALL)

        outputs = [label, said, points, outliers, suspects]
        run.change(look, [run], outputs, **AS_IT_IS)
        label.input(narrow, [run, label], [outliers, suspects], **AS_IT_IS)
        tab.select(look, [run], outputs, **AS_IT_IS)
    return run


def _look(sources: Sources, chosen: str | None) -> list[Any]:
    """The map, and pictures of all classes."""
    gr = gradio()
    if not chosen:
        return [gr.skip(), notice(NO_RUN), plotted("", None), "", ""]
    try:
        with told_as_damaged(chosen):
            explored = read_explored(sources.folders.run(chosen))
            points = map_of(explored)
            said = notice(_counts(explored)) + ("" if points else notice(NO_MAP))
    except ImprintError as error:
        return [gr.skip(), notice(shortened(str(error)), wrong=True), plotted("", None), "", ""]
    field = gr.Dropdown(choices=[ALL, *explored.class_names], value=ALL)
    return [field, said, plotted("Map", points), *_galleries(sources, chosen, ALL)]


def _galleries(sources: Sources, chosen: str | None, label: str) -> list[str]:
    """Outliers and suspects of one class, or of all."""
    if not chosen:
        return ["", ""]
    return [
        telling(_gallery, sources, chosen, label, what)
        for what in ("Outliers", "Labels that look wrong")
    ]


def _gallery(sources: Sources, chosen: str, label: str, what: str) -> str:
    explored = read_explored(sources.folders.run(chosen))
    own = "" if label == ALL else label
    outlying = what == "Outliers"
    found = (outliers_of if outlying else suspects_of)(explored, own)
    head = f"<h3>{what}</h3>"
    if not found:
        return head + notice(
            "There are none." if outlying or _judged(explored) else _unjudged(explored)
        )
    try:
        parts = sources.data.parts(explored.config)
        return head + gallery(shown(found, parts, _outlier if outlying else _suspect))
    except ImprintError as error:
        lines = ", ".join((_outlier if outlying else _suspect)(sample) for sample in found[:12])
        return head + notice(shortened(str(error)), wrong=True) + notice(lines)


def _outlier(sample: Sample) -> str:
    return f"{sample.label}, {sample.place}, score {sample.score or 0:.2f}"


def _suspect(sample: Sample) -> str:
    return f"labelled {sample.label}, looks like {sample.suggested} ({sample.place})"


def _counts(explored: Explored) -> str:
    result = explored.result
    suspected = result.get("label_issues")
    labels = "labels not judged" if suspected is None else f"{suspected:,} labels suspected"
    return (
        f"{len(explored.samples):,} images of {len(explored.class_names)} classes: "
        f"{result.get('outliers', 0):,} outliers, {result.get('duplicates', 0):,} equal images, "
        f"{result.get('near_duplicates', 0):,} nearly equal ones, {labels}."
    )


def _judged(explored: Explored) -> bool:
    return explored.result.get("label_issues") is not None


def _unjudged(explored: Explored) -> str:
    why = explored.result.get("labels_unjudged") or "it was made with --judge none"
    return f"Labels were not judged: {why}."
