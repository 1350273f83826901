"""Any source of data, by its name or path."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imprint.data import folders, idx, npz, parquet
from imprint.data.audio import SOURCE as AUDIO
from imprint.data.known import KNOWN, read_known
from imprint.data.places import data_folder
from imprint.data.scaling import resize
from imprint.data.source import AudioOptions, ReadOptions, Source
from imprint.errors import (
    DamagedFileError,
    ImprintError,
    InvalidValueError,
    MissingFileError,
    StorageError,
)
from imprint.types import DataPart, DataSplits, ImageSet

__all__ = ["SOURCES", "is_audio", "is_image_folder", "load", "survey"]

SOURCES = (npz.SOURCE, idx.SOURCE, parquet.SOURCE, AUDIO, folders.SOURCE)
"""All kinds of paths that can be read; the first that accepts a path reads it."""

USUAL_AUDIO = AudioOptions()


def load(
    source: str | Path,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    image_size: int | None = None,
    audio: AudioOptions = USUAL_AUDIO,
) -> DataSplits:
    """Load a data set to train and to test on.

    Args:
        source: a known name (`mnist`, `fashion-mnist`, `cifar10`); or a path, also below the folder
            that `IMPRINT_DATA` names, of a folder with one folder of images per class, one of
            audio, a parquet file or folder in the Hugging Face layout, an `.npz`, or a folder of
            idx files. A name goes before a path that is called the same; `./mnist` is the path.
        test_share: share of each class to test on, in (0, 1), where the source has no split itself.
        seed: of that split, at least 0.
        image_size: side to resize the images to, in pixels; None keeps them as they are.
        audio: how audio becomes images.

    Returns:
        images `(N, C, H, W)`, uint8, labels in `0 … K-1` and the class names, for both splits.

    Raises:
        MissingFileError: where there is no such data; lists what would do.
        MissingExtraError: for audio, where the packages of the extra `audio` are not installed.
        DamagedFileError: where a file cannot be read or has the wrong hash.
        InvalidValueError: where the data or an argument is not what it must be.
        StorageError: where a download or the decoded images find no place on the disk.

    Examples:
        >>> splits = load("mnist")
        >>> splits.train.images.shape, splits.num_classes
        (torch.Size([60000, 1, 28, 28]), 10)
    """
    options = ReadOptions(test_share=test_share, seed=seed, image_size=image_size, audio=audio)
    with _memory_told(source, image_size):
        splits = _read(source, options)
        train, test = (_resized(part, image_size) for part in (splits.train, splits.test))
    return replace(splits, name=str(source), train=train, test=test)


def survey(
    source: str | Path, *, image_size: int | None = None, audio: AudioOptions = USUAL_AUDIO
) -> dict[str, DataPart]:
    """Read a data set as it lies, to look at it: no split is drawn, what is broken is listed.

    Args:
        source: as for `load`; a folder or file with one class will do.
        image_size: side to bring the images to, in pixels; None keeps them as they are, and brings
            mixed sizes to their median.
        audio: how audio becomes images.

    Returns:
        the parts by name: `train` and `test` where the source has both, else `all`.

    Raises:
        MissingFileError: where there is no such data; lists what would do.
        DamagedFileError: where a file that holds many images cannot be read.
        InvalidValueError: where the data or an argument is not what it must be, or no image of all
            can be read.
        StorageError: where the decoded images find no place.

    Examples:
        >>> {name: len(part.images) for name, part in survey("mnist").items()}
        {'train': 60000, 'test': 10000}
    """
    options = ReadOptions(image_size=image_size, audio=audio)
    with _memory_told(source, image_size):
        if not (isinstance(source, str) and source in KNOWN):
            path = _existing(source)
            kind = _kind_of(path)
            if kind.survey is not None:
                with _readable(path):
                    return kind.survey(path, options)
        splits = _read(source, options)
        parts = {"train": splits.train, "test": splits.test}
        return {name: DataPart(_resized(part, image_size)) for name, part in parts.items()}


def is_image_folder(path: Path) -> bool:
    """Tell whether a path is a folder of image files, not one of parquet or idx files.

    Args:
        path: any.

    Returns:
        True for a folder that no other kind of source accepts.

    Examples:
        >>> is_image_folder(Path("nowhere"))
        False
    """
    others = (kind for kind in SOURCES if kind is not folders.SOURCE)
    return path.is_dir() and not any(kind.accepts(path) for kind in others)


def is_audio(path: Path) -> bool:
    """Tell whether a path is of audio: a file, a folder, or a CSV that names files.

    Args:
        path: any.

    Returns:
        True for what is read as audio.

    Examples:
        >>> is_audio(Path("nowhere")), is_audio(Path("nowhere.ogg"))
        (False, False)
    """
    kinds = (kind for kind in SOURCES if path.exists() and kind.accepts(path))
    return next(kinds, None) is AUDIO


def _read(source: str | Path, options: ReadOptions) -> DataSplits:
    if isinstance(source, str) and source in KNOWN:
        return read_known(KNOWN[source])
    path = _existing(source)
    with _readable(path):
        return _kind_of(path).read(path, options)


def _kind_of(path: Path) -> Source:
    with _readable(path):
        for kind in SOURCES:
            if kind.accepts(path):
                return kind
    raise InvalidValueError(f"data: expected {_forms()}; got {path}")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the system's errors of reading into one that names the file."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ImprintError):
            raise
        text = f"{error.filename or path}: expected to be able to read it, {error.strerror}"
        raise DamagedFileError(text) from error


@contextmanager
def _memory_told(source: str | Path, image_size: int | None) -> Iterator[None]:
    """Turn a lack of memory into an error that says what would help."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate" not in str(error):
            raise
        text = "expected images that fit the memory; pass a smaller image_size"
        raise StorageError(f"{source}: {text}, got {image_size or 'their own'}") from error


def _existing(source: str | Path) -> Path:
    path, named = Path(source).expanduser(), data_folder()
    candidates = [path, named / path] if named else [path]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    close = difflib.get_close_matches(str(source).lower(), KNOWN, n=1, cutoff=0.5)
    guess = f"; did you mean {close[0]}?" if close else ""
    raise MissingFileError(
        f"data: expected {_forms()}; got {str(source)!r}, which is no known name and no path here"
        f"{' or in IMPRINT_DATA' if named else ''}{guess}"
    )


def _forms() -> str:
    return f"a known name ({', '.join(KNOWN)}), {', '.join(kind.form for kind in SOURCES)}"


def _resized(images: ImageSet, side: int | None) -> ImageSet:
    if side is None or images.images.shape[2:] == (side, side):
        return images
    return replace(images, images=resize(images.images, side))
