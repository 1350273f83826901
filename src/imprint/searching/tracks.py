"""Files of audio to be indexed: listed, hashed, read excerpt by excerpt."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from torch import Tensor

from imprint.data import AudioOptions, read_sound_picture, spelled
from imprint.data.audio import list_audio
from imprint.data.audio_files import AudioFile
from imprint.data.audio_images import Excerpt, choose_excerpts, image_shape
from imprint.errors import InvalidValueError
from imprint.searching.entries import Entries, Entry
from imprint.searching.files import hash_file
from imprint.searching.filters import Kind
from imprint.searching.metadata import typed
from imprint.searching.rows import Row, Value, is_free, kinds_of

__all__ = ["START", "TRACK", "track_entries", "track_of"]

Shape = tuple[int, int, int]

TRACK, START = "track", "start_seconds"
"""Columns of each row: what its excerpt is a part of, and where it begins."""


def track_entries(place: Path, audio: AudioOptions, shape: Shape | None) -> Entries:
    """Say how the excerpts of a folder of audio are to be indexed.

    Args:
        place: a folder, a CSV that names files, or a file of audio.
        audio: how audio becomes images; without `seconds` an excerpt is as long as the shape says,
            or as is usual.
        shape: that the images must have; None takes what comes.

    Returns:
        The entries: an id is the file's path, and the excerpt's number where it has several. The
        columns are `track`, `start_seconds` and those of the CSV that may be columns of an index.

    Raises:
        InvalidValueError: where there is no audio, or none that can be read, or for another shape.
        MissingExtraError: where a package of the extra `audio` is not installed.

    Examples:
        >>> track_entries(Path(__file__).parent, AudioOptions(), None)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected audio in it, got none
    """
    if audio.seconds is None and shape is not None:
        length = (shape[2] - 1) * audio.spectrogram.hop / audio.sample_rate
        audio = replace(audio, seconds=length)
    listed = list_audio(place, audio, lenient=True)
    files = [file for part in listed.values() for file in part]
    choice = choose_excerpts(files, audio, lenient=True)
    audio = replace(audio, seconds=choice.seconds)
    own = image_shape(choice, audio)
    if shape not in (None, own):
        raise InvalidValueError(f"data: expected images {shape}, got audio, whose are {own}")
    columns = _columns(files)
    refused = [(files[place].shown, why) for place, why in choice.failures.items()]
    each = _entries(files, choice.excerpts, columns, audio)
    return Entries(len(choice.excerpts), own, each, refused, audio, _kinds(columns))


def track_of(row: Row) -> str:
    """Name the track that a row is of.

    Args:
        row: of an index.

    Returns:
        Its column `track`; its own id where that holds nothing.

    Examples:
        >>> track_of(Row("a#2", "", None, "", {"track": "a"})), track_of(Row("b", "", None, "", {}))
        ('a', 'b')
    """
    track = row.metadata.get(TRACK)
    return row.id if track is None else str(track)


def _entries(
    files: Sequence[AudioFile],
    excerpts: Sequence[Excerpt],
    columns: Mapping[str, Sequence[Value | None]],
    audio: AudioOptions,
) -> Iterator[Entry]:
    counts, numbers = Counter(excerpt.file for excerpt in excerpts), Counter[int]()
    hashes: dict[int, Callable[[], str]] = {}
    for place, start in excerpts:
        file = files[place]
        numbers[place] += 1
        number = "" if counts[place] == 1 else f"#{numbers[place]}"
        hashed = hashes.setdefault(place, cache(partial(hash_file, file.path)))
        own = {name: cells[place] for name, cells in columns.items()}
        path = os.path.abspath(file.path)  # noqa: PTH100 - resolve() would follow the link
        yield Entry(
            file.shown + number,
            spelled(path),
            file.label,
            hashed,
            partial(_read, file.path, start, audio, hashed),
            {**own, TRACK: file.track, START: round(start, 3)},
        )


def _read(
    path: Path, start: float, audio: AudioOptions, hashed: Callable[[], str], _shape: Shape
) -> tuple[str, Tensor]:
    """The hash, taken first, and the image: of a file that changes, the next run reads it again."""
    return hashed(), read_sound_picture(path, audio, start=start)


def _columns(files: Sequence[AudioFile]) -> dict[str, list[Value | None]]:
    """What a CSV says of each file, by names that an index takes; other columns are left out."""
    found: dict[str, list[Value | None]] = {}
    for name in dict.fromkeys(name for file in files for name in file.columns):
        column = re.sub(r"\W+", "_", name).strip("_")
        if is_free(column) and column not in {TRACK, START, *found}:
            found[column] = typed([file.columns.get(name, "").strip() for file in files])
    return found


def _kinds(columns: Mapping[str, Sequence[Value | None]]) -> dict[str, Kind]:
    """What all columns hold."""
    own = ({name: cell} for name, cells in columns.items() for cell in cells)
    return kinds_of([*own, {TRACK: "", START: 0.0}])
