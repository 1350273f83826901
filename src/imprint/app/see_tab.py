"""The tab See: one image on its way through a network."""

from typing import Any

from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, UPLOAD, picture_field, run_field, shortened, telling
from imprint.app.looking import (
    answer_of,
    layers_of,
    maps_picture,
    occlusion_picture,
    where_answered,
)
from imprint.app.neighbours import neighbours_of
from imprint.app.networks import ONE_AT_A_TIME
from imprint.app.pictures import answer_bars, captioned, gallery, large_picture, notice
from imprint.app.sources import Sources
from imprint.app.subject import Subject, SubjectImage, check_images, image_of, numbered
from imprint.errors import ImprintError
from imprint.training import Trained

__all__ = ["see_tab"]

NONE = "none"

NO_RUN = "There is no trained network here yet. Train one: imprint train mnist"

NO_IMAGE = "Drop an image, or choose one of the test images."

MAPS_WIDTH, HEAT_WIDTH = 640, 224
"""Pixels of the pictures."""


def see_tab(sources: Sources) -> Any:
    """Build the tab.

    Args:
        sources: of the app.

    Returns:
        Its list of runs.

    Examples:
        >>> see_tab.__name__
        'see_tab'
    """
    gr = gradio()
    with gr.Tab("See") as tab:
        with gr.Row():
            run = run_field(sources, "Network", "train")
            exits = gr.Dropdown([NONE], value=NONE, label="Early exits", interactive=True)
        with gr.Row():
            dropped = picture_field("Your image")
            with gr.Column():
                number = gr.Number(0, label="Number of a test image", precision=0, minimum=0)
                show = gr.Button("Show this test image")
        subject = gr.State(None)
        answer = gr.HTML()
        layer = gr.Dropdown([], label="Layer", interactive=True, visible=False)
        maps, covered, near = gr.HTML(), gr.HTML(), gr.HTML()

        def choose(chosen: str | None) -> Any:
            return _exits(sources, chosen)

        def look(chosen: str | None, own: Subject, through: str | None) -> list[Any]:
            return [telling(_answer, sources, chosen, own, through), *_layers(sources, chosen, own)]

        def cover(chosen: str | None, own: Subject) -> str:
            return telling(_covered, sources, chosen, own)

        def search(chosen: str | None, own: Subject) -> str:
            return telling(_near, sources, chosen, own)

        def show_layer(chosen: str | None, own: Subject, title: str | None) -> str:
            return telling(_maps, sources, chosen, own, title)

        private = {**AS_IT_IS, "concurrency_id": ONE_AT_A_TIME}

        def follow(event: Any) -> None:
            """What comes one after the other once there is an image."""
            seen = event.then(look, [run, subject, exits], [answer, layer, maps], **private)
            seen = seen.then(cover, [run, subject], covered, **private)
            seen.then(search, [run, subject], near, **private)

        follow(dropped.upload(lambda path: path, dropped, subject, **private | UPLOAD))
        follow(show.click(numbered, number, subject, **private))
        follow(run.change(choose, run, exits, **private))
        exits.input(look, [run, subject, exits], [answer, layer, maps], **private)
        layer.input(show_layer, [run, subject, layer], maps, **private)
        follow(tab.select(choose, run, exits, **private))
    return run


def _exits(sources: Sources, run: str | None) -> Any:
    """The early exits that are of the run's network."""
    try:
        found = sources.networks.exits_of(run) if run else []
    except ImprintError:  # the answer's place says what is wrong with the run
        found = []
    choices = [NONE, *found]
    return gradio().Dropdown(choices=choices, value=found[0] if found else NONE)


def _answer(sources: Sources, run: str | None, subject: Subject, through: str | None) -> str:
    if not run:
        return notice(NO_RUN)
    if subject is None:
        check_images(sources.networks.network(run))  # says at once where that cannot be
        return notice(NO_IMAGE)
    trained, own = sources.networks.network(run), image_of(sources, run, subject)
    said = ""
    if through and through != NONE:
        said = where_answered(trained, sources.networks.exits(through, run), own.image)
    bars = answer_bars(
        "What the network takes it for", answer_of(trained, own.image).classes, note=said
    )
    return f'<div class="side">{large_picture(own.image, own.title)}{bars}</div>'


def _seen(
    sources: Sources, run: str | None, subject: Subject
) -> tuple[Trained, SubjectImage] | None:
    """Network and image; None where there is none, or the answer's place says what is wrong."""
    if not run or subject is None:
        return None
    try:
        return sources.networks.network(run), image_of(sources, run, subject)
    except (ImprintError, OSError):
        return None


def _layers(sources: Sources, run: str | None, subject: Subject) -> list[Any]:
    """The list of layers, and the first one's maps."""
    gr = gradio()
    seen = _seen(sources, run, subject)
    if seen is None:
        return [gr.update(visible=False), ""]
    try:
        found = layers_of(seen[0], seen[1].image)
    except ImprintError as error:
        return [gr.update(visible=False), notice(shortened(str(error)), wrong=True)]
    first = next(iter(found))
    field = gr.Dropdown(choices=list(found), value=first, visible=True)
    return [field, _maps(sources, run, subject, first)]


def _maps(sources: Sources, run: str | None, subject: Subject, title: str | None) -> str:
    seen = _seen(sources, run, subject)
    if seen is None:
        return ""
    found = layers_of(seen[0], seen[1].image)
    row = found.get(title or "", next(iter(found.values())))
    grid = maps_picture(row)
    return captioned(grid.source, grid.note, width=MAPS_WIDTH)


def _covered(sources: Sources, run: str | None, subject: Subject) -> str:
    seen = _seen(sources, run, subject)
    if seen is None:
        return ""
    trained, own = seen
    label = answer_of(trained, own.image).label
    grid, note = occlusion_picture(trained, own.image, label)
    head = "<h3>What it looks at</h3>"
    return head + captioned(grid.source, note, width=HEAT_WIDTH)


def _near(sources: Sources, run: str | None, subject: Subject) -> str:
    """The nearest neighbours in the index, where one of images was named."""
    seen = _seen(sources, run, subject)
    if seen is None or sources.index is None or sources.index.is_sound:
        return ""
    found = neighbours_of(sources, seen[0], seen[1].image)
    return "<h3>Nearest in the index</h3>" + gallery(found.shown) + _unshown(found.hidden)


def _unshown(count: int) -> str:
    if not count:
        return ""
    return notice(f"{count} more lie outside of the folders named by --data, or are gone.")
