"""The tab Train: the curves of a training, while it runs and afterwards."""

from html import escape
from typing import Any, NamedTuple

from imprint.app.course import Course, course_of, standing
from imprint.app.curves import COLUMNS, class_counts, course_table, courses
from imprint.app.damage import told_as_damaged
from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, chart, choices_of, plotted, run_field, shortened
from imprint.app.pictures import gallery, notice
from imprint.app.run_list import list_runs
from imprint.app.skipped import most_skipped, shown_skips
from imprint.app.sources import Sources
from imprint.errors import ImprintError

__all__ = ["train_tab"]

PAUSE = 2.0
"""Seconds from one look at the run to the next."""

NO_RUN = "There is no training here yet. Start one beside this page: imprint train mnist --compare"

CHARTS = ("Training loss", "Accuracy against epochs", "Accuracy against time", "Images trained")

COUNTS = {"Hits of each class": ("hits_per_class", "hits"),
          "Skipped of each class": ("skipped_per_class", "skipped")}  # fmt: skip


class _Seen(NamedTuple):
    """What a page shows already.

    Attributes:
        listed: the runs to choose from.
        run: that is shown.
        epochs: that are shown of it, and whether it was done.
    """

    listed: tuple[tuple[str, str], ...] = ()
    run: str | None = None
    epochs: tuple[int, ...] = ()


def train_tab(sources: Sources) -> Any:
    """Build the tab.

    Args:
        sources: of the app.

    Returns:
        What is to run when the page opens: function, inputs and outputs.

    Examples:
        >>> train_tab.__name__
        'train_tab'
    """
    gr = gradio()
    with gr.Tab("Train"):
        run = run_field(sources, "Training run", "train")
        said = gr.HTML()
        charts = []
        for pair in (CHARTS[:2], CHARTS[2:]):
            with gr.Row():
                charts += [chart(name, visible=False) for name in pair]
        counts = [chart(name, visible=False) for name in COUNTS]
        skipped, table = gr.HTML(), gr.HTML()
        seen = gr.State(_Seen())
        outputs = [run, said, *charts, *counts, skipped, table, seen]

        def look(chosen: str | None, before: _Seen) -> list[Any]:
            return _look(sources, chosen, before)

        silent = {"show_progress": "hidden", **AS_IT_IS}
        gr.Timer(PAUSE).tick(look, [run, seen], outputs, **silent)
        run.input(look, [run, seen], outputs, **silent)
    return look, [run, seen], outputs


def _look(sources: Sources, chosen: str | None, before: _Seen) -> list[Any]:
    """Bring the tab up to date: what has not changed is left as it is."""
    gr = gradio()
    listed = tuple(choices_of(list_runs(sources.folders, "train")))
    names = [name for _, name in listed]
    gone = {} if chosen in names else {"value": next(iter(names), None)}
    chosen = gone.get("value", chosen)  # one that is there stays: another may be chosen just now
    field = gr.skip() if listed == before.listed else gr.Dropdown(choices=listed, **gone)
    nothing = [plotted("", None)] * (len(CHARTS) + len(COUNTS))
    if chosen is None:
        return [field, notice(NO_RUN), *nothing, "", "", _Seen(listed)]
    try:
        with told_as_damaged(chosen):
            course = course_of(sources.folders.run(chosen))
            now = _Seen(listed, chosen, _epochs(course))
            if (now.run, now.epochs) == (before.run, before.epochs):
                same = [gr.skip()] * (len(nothing) + 2)
                return [field, notice(standing(course)), *same, now]
            return [field, notice(standing(course)), *_drawn(sources, chosen, course), now]
    except ImprintError as error:
        wrong = notice(shortened(str(error)), wrong=True)
        return [field, wrong, *nothing, "", "", _Seen(listed)]


def _epochs(course: Course) -> tuple[int, ...]:
    return (*(len(run["epochs"]) for run in course.runs.values()), course.state == "done")


def _drawn(sources: Sources, name: str, course: Course) -> list[Any]:
    """The charts, the pictures of what is skipped, and the table."""
    last = course.main
    if last is None:
        return [plotted("", None)] * (len(CHARTS) + len(COUNTS)) + ["", ""]
    curves = courses(course)
    skips = last["skip"] != "none"
    counts = [
        plotted(title, class_counts(last, *how) if skips else None) for title, how in COUNTS.items()
    ]
    shown = [plotted(title, curves[title]) for title in CHARTS]
    return [*shown, *counts, _skipped(sources, name, course), _table(course)]


def _skipped(sources: Sources, name: str, course: Course) -> str:
    """What is left out, in pictures; where the images may not be read, why."""
    if "skip" not in course.runs:
        return ""
    head = "<h3>Skipped most often so far</h3>"
    folder = sources.folders.run(name)
    try:
        images = sources.data.splits(sources.networks.config(name)).train
        skips = most_skipped(folder, course, images)
        return head + gallery(shown_skips(skips, images), empty="Nothing was skipped yet.")
    except ImprintError as error:
        return head + notice(shortened(str(error)), wrong=True)


def _table(course: Course) -> str:
    """The same in numbers."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in course_table(course)
    )
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    table = f'<div class="scroll"><table>{body}</table></div>'
    return f"<details><summary>The same in numbers</summary>{table}</details>"
