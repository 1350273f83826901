"""The tab Listen: a track, what is similar to it, and what is recommended by likes."""

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imprint.app.extra import gradio
from imprint.app.fields import AS_IT_IS, chart, file_field, plotted, shortened, telling
from imprint.app.listening import (
    Listening,
    Sound,
    Wishes,
    reason_of,
    write_excerpt,
)
from imprint.app.pictures import notice
from imprint.app.sources import Sources
from imprint.app.spectrogram import spectrogram_chart
from imprint.app.uploads import make_room
from imprint.data import AUDIO_SUFFIXES
from imprint.errors import ImprintError
from imprint.searching import Suggested

__all__ = ["listen_tab"]

RESULTS = 6
"""Tracks that are recommended."""

PLAYED = 300_000_000
"""Bytes of what was played, beyond which the oldest makes way; it is decoded anew where asked."""

SPREAD = "Spread: 0 the most similar, 1 unlike one another"

NO_INDEX = "There is no index of sound. Make one and name it: imprint index music --out songs.index, then imprint app --index songs.index --data music"  # noqa: E501

NO_TRACK = "Choose a track, or drop a file."

SILENT = "This is silence: nothing is similar to it."


def listen_tab(sources: Sources) -> Any:
    """Build the tab.

    Args:
        sources: of the app.

    Returns:
        Its list of tracks.

    Examples:
        >>> listen_tab.__name__
        'listen_tab'
    """
    gr = gradio()
    listening = sources.index if sources.index and sources.index.is_sound else None
    with gr.Tab("Listen"):
        if listening is None:
            gr.HTML(notice(NO_INDEX))
            return None
        with gr.Row():
            track = gr.Dropdown(
                listening.tracks(), value=None, label="Track of the index", interactive=True
            )
            dropped = file_field("Your own sound", AUDIO_SUFFIXES)
        spread = gr.Slider(0, 1, value=0, step=0.1, label=SPREAD)
        player, spectrogram = gr.HTML(notice(NO_TRACK)), chart("Spectrogram", visible=False)
        wishes, told = gr.State(Wishes()), gr.HTML()
        rows = [_row(gr, rank) for rank in range(1, RESULTS + 1)]
        ids = gr.State([])
        heard = [player, spectrogram, wishes]
        found = [told, ids, *(part for row in rows for part in row)]

        def choose(own: str | None) -> list[Any]:
            return _heard(sources, listening, own)

        def take(path: str | None) -> list[Any]:
            return _heard(sources, listening, None if path is None else Path(path))

        def recommend(own: Wishes, apart: float | None) -> list[Any]:
            return _recommended(sources, listening, own, apart or 0.0)

        private = {"api_visibility": "private"}
        asked = [wishes, spread]
        track.input(choose, track, heard, **private).then(recommend, asked, found, **AS_IT_IS)
        dropped.upload(take, dropped, heard, **private).then(recommend, asked, found, **AS_IT_IS)
        spread.change(recommend, asked, found, trigger_mode="always_last", **AS_IT_IS)
        for place, (_, like, unlike) in enumerate(rows):
            for button, wish in ((like, Wishes.liking), (unlike, Wishes.disliking)):
                step = button.click(_wished(place, wish), [wishes, ids], wishes, **private)
                step.then(recommend, asked, found, **AS_IT_IS)
    return track


def _row(gr: Any, rank: int) -> tuple[Any, Any, Any]:
    """A place for a track: what it is, like, not like."""
    with gr.Row(elem_classes="track"):
        shown = gr.HTML()
        like = gr.Button(f"Like {rank}", size="sm", visible=False, min_width=90)
        unlike = gr.Button(f"Not like {rank}", size="sm", visible=False, min_width=90)
    return shown, like, unlike


def _wished(place: int, wish: Any) -> Any:
    """What a button does: the track in its row is liked, or not."""

    def click(own: Wishes, ids: list[str]) -> Wishes:
        wished: Wishes = wish(own, ids[place]) if place < len(ids) else own
        return wished

    return click


def _heard(sources: Sources, listening: Listening, own: str | Path | None) -> list[Any]:
    """Player and spectrogram of what was chosen, which is then liked, and nothing else."""
    if own is None:
        return [notice(NO_TRACK), plotted("", None), Wishes()]
    wishes = Wishes((own,))
    try:
        sound = _sound(sources, listening, own)
        image = listening.picture(sound)
        figure = spectrogram_chart(image, listening.audio, start=sound.start or 0.0)
        played = _player(sources, listening, sound)
        if not bool(image.any()):
            played += notice(SILENT)
        return [played, plotted("Spectrogram", figure), wishes]
    except ImprintError as error:
        wrong = notice(shortened(str(error)), wrong=True)
        return [wrong, plotted("", None), Wishes() if isinstance(own, Path) else wishes]


def _sound(sources: Sources, listening: Listening, own: str | Path) -> Sound:
    if isinstance(own, Path):
        return Sound(sources.upload(own), None, own.name)
    return listening.sound(listening.row(own))


def _player(sources: Sources, listening: Listening, sound: Sound) -> str:
    """What plays an excerpt; decoded anew, it lies in the app's own folder."""
    made = write_excerpt(
        sound,
        sources.cache / "played",
        seconds=listening.seconds,
        sample_rate=listening.audio.sample_rate,
    )
    make_room(made.parent, PLAYED)
    address, name = f"/gradio_api/file={quote(str(made))}", escape(sound.name, quote=True)
    return f'<audio controls preload="metadata" src="{address}" aria-label="Play {name}"></audio>'


def _recommended(
    sources: Sources, listening: Listening, wishes: Wishes, spread: float
) -> list[Any]:
    """What is said above, the ids of the tracks, and each track in its row."""
    if not wishes.liked:
        return ["", [], *_rows([])]
    try:
        found = listening.recommend(wishes, k=RESULTS, spread=spread)
    except ImprintError as error:
        return [notice(shortened(str(error)), wrong=True), [], *_rows([])]
    shown = [_track(sources, listening, own) for own in found]
    return [_told(wishes, found), [own.id for own in found], *_rows(shown)]


def _told(wishes: Wishes, found: list[Suggested]) -> str:
    if not found:
        return notice(SILENT)
    liked, disliked = ([Path(str(own)).name for own in some] for some in wishes)
    if len(liked) == 1 and not disliked:
        return f"<h3>Similar to {escape(liked[0])}</h3>"
    unlike = f", and unlike {', '.join(disliked)}" if disliked else ""
    return f"<h3>Recommended: similar to {escape(', '.join(liked) + unlike)}</h3>"


def _rows(shown: list[str]) -> list[Any]:
    gr = gradio()
    updates: list[Any] = []
    for place in range(RESULTS):
        there = place < len(shown)
        updates += [shown[place] if there else "", *[gr.update(visible=there)] * 2]
    return updates


def _track(sources: Sources, listening: Listening, found: Suggested) -> str:
    """A track: its name, why, and what plays it."""
    label = "" if found.label is None else f" ({found.label})"
    name, why = escape(f"{found.rank}. {found.id}{label}"), escape(reason_of(found))
    played = telling(lambda: _player(sources, listening, listening.sound(found)))
    return f'<div class="found"><strong>{name}</strong><p class="quiet">{why}</p>{played}</div>'
