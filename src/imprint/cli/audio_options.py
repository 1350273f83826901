"""Options of audio: how it becomes images; each stands here once, with its words."""

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Annotated, Any

import typer

from imprint.data import AudioOptions

__all__ = ["NAMES", "as_long", "audio_note", "audio_of"]

_audio = partial(typer.Option, rich_help_panel="Audio")

Seconds = Annotated[
    float | None,
    _audio(help="Of an excerpt.", show_default="15, or the files' median where shorter"),
]
Excerpts = Annotated[
    int | None, _audio(help="Of each file, evenly spread.", show_default="as many as fit")
]
SampleRate = Annotated[
    int | None, _audio(help="In Hz, that all files are brought to.", show_default="16000")
]
Mels = Annotated[int | None, _audio(help="Height of the images, in mel bands.", show_default="64")]
Label = Annotated[
    str | None,
    _audio(help="A CSV's column of labels.", show_default="label, labels, class or genre"),
]

NAMES = tuple(field.name for field in fields(AudioOptions))
"""Of the options, as a command has them."""


def audio_of(given: Mapping[str, Any], run: Mapping[str, Any] | None = None) -> AudioOptions:
    """Take out of a command's options how audio becomes images.

    Args:
        given: all options by name; None, or nothing, where one is not given.
        run: what the `config.json` of a run says, which counts where nothing is given.

    Returns:
        The options, checked.
    """
    told = {name: (run or {}).get(name) for name in NAMES}
    told |= {name: given[name] for name in NAMES if given.get(name) is not None}
    return AudioOptions(**{name: value for name, value in told.items() if value is not None})


def audio_note(audio: AudioOptions) -> dict[str, Any]:
    """Say for a `config.json` how audio became images.

    Args:
        audio: the options.

    Returns:
        Each by its name.
    """
    return {name: getattr(audio, name) for name in NAMES}


def as_long(
    audio: AudioOptions, shape: tuple[int, int, int], got: tuple[int, ...]
) -> AudioOptions | None:
    """Give options by which excerpts are as long as a run's, where the data alone said otherwise.

    Args:
        audio: the run's.
        shape: channels, height and width of the run's images.
        got: of these data's images.

    Returns:
        The options; None where length is not what differs, or where it was asked for.
    """
    if audio.seconds is not None or got[:2] != shape[:2] or shape[0] != 2 or got[2] == shape[2]:
        return None
    seconds = (shape[2] - 1) * audio.spectrogram.hop / audio.sample_rate
    return replace(audio, seconds=seconds)
