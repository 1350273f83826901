"""Folders of audio as images of sound: in class folders, or named by a CSV with their labels."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from imprint.data.audio_cache import SoundImages, audio_cache, sound_images
from imprint.data.audio_files import AudioFile, audio_below, files_by_class, files_side_by_side
from imprint.data.audio_images import Excerpt
from imprint.data.audio_tables import files_in_table, find_table
from imprint.data.decoding import MEMORY_BUDGET, allocate
from imprint.data.labels import encode_labels
from imprint.data.parts import class_folders, part_folders
from imprint.data.scaling import resize
from imprint.data.seeds import generator_of
from imprint.data.sounds import AUDIO_SUFFIXES
from imprint.data.source import AudioOptions, ReadOptions, Source
from imprint.data.splits import grouped_split
from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet, Unreadable

__all__ = ["SOURCE", "list_audio", "read_audio", "survey_audio"]

TABLE = ".csv"

AT_ONCE = 1024
"""Images copied at a time."""


def read_audio(path: Path, options: ReadOptions | None = None) -> DataSplits:
    """Read audio to train and to test on.

    Args:
        path: a folder with one folder of audio per class, or with such a folder for training and
            one for testing; or with a CSV, or the CSV itself, see `files_in_table`.
        options: how audio becomes images, and the split where the folder has none: whole tracks,
            so that none is on both sides.

    Returns:
        images `(N, 2, H, T)`, log-mel and chroma, see `spectrogram_images`; `groups` are the
        tracks.

    Raises:
        InvalidValueError: for no classes or only one, a class without audio, a missing column, or
            a file that lies outside of the folder.
        MissingFileError: for a file that a CSV names and that is not there.
        DamagedFileError: for a file that cannot be read.
        MissingExtraError: where a package of the extra `audio` is not installed.

    Examples:
        >>> read_audio(Path(__file__).parent)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected audio in it, got none
    """
    options = options or ReadOptions()
    listed = dict(list(list_audio(path, options.audio).items())[:2])
    values = [[file.label for file in part] for part in listed.values()]
    first, second, names = encode_labels(values[0], values[1] if len(values) == 2 else ())
    files = [file for part in listed.values() for file in part]
    sound = sound_images(files, options.audio, cache=audio_cache())
    whole = _image_set(files, sound, torch.cat((first, second)), names)
    if len(listed) == 2:
        trained = torch.tensor([excerpt.file < len(first) for excerpt in sound.excerpts])
        rows = (trained.nonzero()[:, 0], (~trained).nonzero()[:, 0])
    else:
        rows = _split(whole, options)
    train, test = (_part_of(whole, part) for part in rows)
    return DataSplits(path.name, train, test)


def survey_audio(path: Path, options: ReadOptions | None = None) -> dict[str, DataPart]:
    """Read audio as it lies: no split is drawn, files that cannot be read are listed.

    Args:
        path: as for `read_audio`; one class will do, and so will a folder with audio side by side,
            a single file, or a CSV without labels, whose class is then named as the folder.
        options: how audio becomes images, and their size.

    Returns:
        `train` and `test` where the folder has both, with `val` and the like where there are more;
        else `all`. Metadata are each excerpt's `file`, `track` and `start_seconds`, and the columns
        of the CSV.

    Raises:
        InvalidValueError: for no audio, none that can be read, or a missing column.
        MissingExtraError: where a package of the extra `audio` is not installed.

    Examples:
        >>> survey_audio(Path(__file__).parent)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected audio in it, got none
    """
    options = options or ReadOptions()
    listed = list_audio(path, options.audio, lenient=True)
    files = [file for part in listed.values() for file in part]
    labels, _, names = encode_labels([file.label for file in files], least=1)
    sound = sound_images(files, options.audio, lenient=True, cache=audio_cache())
    whole = _image_set(files, sound, labels, names)
    parts, begin = {}, 0
    for name, part in listed.items():
        own = range(begin, begin + len(part))
        parts[name] = _data_part(own, files, sound, whole, options.image_size)
        begin += len(part)
    return parts


def list_audio(
    path: Path, audio: AudioOptions, *, lenient: bool = False
) -> dict[str, list[AudioFile]]:
    """List the files of audio that a source has.

    Args:
        path: as for `read_audio`.
        audio: which column of a CSV holds the labels.
        lenient: whether one class or none will do, as for `survey_audio`.

    Returns:
        The files of each part by its name, those that are not to be read among them.

    Raises:
        InvalidValueError: as `read_audio`; lenient, for no audio or a missing column.

    Examples:
        >>> list_audio(Path(__file__).parent, AudioOptions())
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected audio in it, got none
    """
    table = _table(path)
    if table is not None:
        return {"all": files_in_table(table, label=audio.label, lenient=lenient)}
    if path.is_dir() and any(audio_below(folder) for folder in class_folders(path)):
        folders = part_folders(path).items()
        return {name: files_by_class(path, folder, lenient=lenient) for name, folder in folders}
    files = files_side_by_side(path)
    if not files:
        raise InvalidValueError(f"{path}: expected audio in it, got none")
    if not lenient:
        expected = "a folder per class, or a CSV with columns for file and label"
        raise InvalidValueError(f"{path}: expected {expected}, got {len(files)} files of audio")
    return {"all": files}


def _table(path: Path) -> Path | None:
    """The CSV that names the files, where there is one."""
    if path.is_dir():
        return find_table(path)
    return path if path.suffix.lower() == TABLE else None


def _image_set(
    files: Sequence[AudioFile], sound: SoundImages, labels: Tensor, names: tuple[str, ...]
) -> ImageSet:
    """All images, with the label of their file and the number of their track."""
    places = torch.tensor([excerpt.file for excerpt in sound.excerpts], dtype=torch.int64)
    tracks: dict[str, int] = {}
    numbers = torch.tensor([tracks.setdefault(file.track, len(tracks)) for file in files])
    return ImageSet(sound.images, labels[places], names, groups=numbers[places])


def _split(whole: ImageSet, options: ReadOptions) -> tuple[Tensor, Tensor]:
    assert whole.groups is not None  # noqa: S101 - each excerpt is of a track
    generator = generator_of(options.seed)
    try:
        return grouped_split(
            whole.labels, whole.groups, test_share=options.test_share, generator=generator
        )
    except InvalidValueError as error:
        got = f"{len(whole.groups.unique())} tracks"  # type: ignore[no-untyped-call]
        expected = "two tracks of some class, one to train and one to test on"
        raise InvalidValueError(f"labels: expected {expected}, got {got}, all single") from error


def _part_of(whole: ImageSet, rows: Tensor) -> ImageSet:
    assert whole.groups is not None  # noqa: S101 - each excerpt is of a track
    images = _taken(whole.images, rows)
    return ImageSet(images, whole.labels[rows], whole.class_names, groups=whole.groups[rows])


def _taken(images: Tensor, rows: Tensor) -> Tensor:
    """Some images: in place where they lie side by side, else copied, to a file if they are many.

    A file that is mapped is so never taken into memory as a whole.
    """
    first, last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, -1)
    if last - first + 1 == len(rows):
        return images[first : last + 1]
    shape = (len(rows), *images.shape[1:])
    taken = allocate(shape, spill=math.prod(shape) > MEMORY_BUDGET)
    for part, own in zip(torch.split(taken, AT_ONCE), torch.split(rows, AT_ONCE), strict=True):
        part.copy_(images[own])
    return taken


def _data_part(
    own: range, files: Sequence[AudioFile], sound: SoundImages, whole: ImageSet, side: int | None
) -> DataPart:
    """The part that some files are, which lie side by side among all."""
    rows = [row for row, excerpt in enumerate(sound.excerpts) if excerpt.file in own]
    part = _part_of(whole, torch.tensor(rows, dtype=torch.int64))
    if side is not None and len(part):
        part = replace(part, images=resize(part.images, side))
    excerpts = [sound.excerpts[row] for row in rows]
    broken = {place: why for place, why in sound.failures.items() if place in own}
    classes = {name: label for label, name in enumerate(whole.class_names)}
    return DataPart(
        part,
        _paths(excerpts, files),
        tuple(
            Unreadable(files[place].shown, classes[files[place].label], why)
            for place, why in broken.items()
        ),
        metadata=_metadata(excerpts, files),
    )


def _paths(excerpts: Sequence[Excerpt], files: Sequence[AudioFile]) -> tuple[str, ...]:
    """The path of each excerpt's file; where a file gives several, with the time they begin at."""
    counts = Counter(excerpt.file for excerpt in excerpts)
    gaps = (b.start - a.start for a, b in pairwise(excerpts) if a.file == b.file)
    digits = 1 if min(gaps, default=1.0) > 0.2 else 3  # each has a name of its own
    return tuple(
        files[file].shown + ("" if counts[file] == 1 else f", {start:.{digits}f} s")
        for file, start in excerpts
    )


def _metadata(
    excerpts: Sequence[Excerpt], files: Sequence[AudioFile]
) -> dict[str, tuple[str, ...]]:
    names = dict.fromkeys(name for file in files for name in file.columns)
    columns = {name: [files[e.file].columns.get(name, "") for e in excerpts] for name in names}
    columns["file"] = [files[excerpt.file].shown for excerpt in excerpts]
    columns["track"] = [files[excerpt.file].track for excerpt in excerpts]
    columns["start_seconds"] = [f"{excerpt.start:.3f}" for excerpt in excerpts]
    return {name: tuple(column) for name, column in columns.items()}


def _accepts(path: Path) -> bool:
    named = path.suffix.lower() in {TABLE, *AUDIO_SUFFIXES}
    return named if path.is_file() else audio_below(path)


SOURCE = Source(
    "a folder with one folder of audio per class, or with a CSV of its files and labels",
    _accepts,
    read_audio,
    survey_audio,
)
