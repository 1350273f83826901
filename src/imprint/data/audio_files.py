"""Which files of audio a folder holds, and the class of each: in class folders, or side by side."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from imprint.data.folders import IMAGE_SUFFIXES
from imprint.data.parts import folders_by_class, is_hidden, spelled
from imprint.data.sounds import AUDIO_SUFFIXES
from imprint.errors import ImprintError, InvalidValueError, MissingFileError

__all__ = ["AudioFile", "audio_below", "files_by_class", "files_side_by_side", "place_in"]

LOOKED_AT = 1000
"""Images and audio files that are looked at to tell what a folder holds: an album has a cover."""


@dataclass(frozen=True)
class AudioFile:
    """A file that is to be read.

    Args:
        path: where it lies.
        shown: its path below the folder of the data, with `/`.
        label: its class.
        track: what it is a part of; files with one name here are never split up.
        columns: what a CSV says of it, by the name of the column.
        refused: why it is not to be read; None where it may be.

    Examples:
        >>> AudioFile(Path("music/rock/1.ogg"), "rock/1.ogg", "rock", "rock/1.ogg").columns
        {}
    """

    path: Path
    shown: str
    label: str
    track: str
    columns: Mapping[str, str] = field(default_factory=dict)
    refused: ImprintError | None = None


def audio_below(folder: Path) -> bool:
    """Tell whether a folder holds audio, and not images or something else.

    Args:
        folder: any; of its images and audio files, a thousand are looked at.

    Returns:
        Whether one of them is audio.

    Examples:
        >>> audio_below(Path(__file__).parent)
        False
    """
    media = (p.suffix.lower() for p in folder.rglob("*") if not is_hidden(p, folder))
    known = (suffix for suffix in media if suffix in AUDIO_SUFFIXES or suffix in IMAGE_SUFFIXES)
    return any(suffix in AUDIO_SUFFIXES for suffix in islice(known, LOOKED_AT))


def files_by_class(root: Path, folder: Path, *, lenient: bool = False) -> list[AudioFile]:
    """List the audio of a folder of class folders.

    Args:
        root: the folder of the data; a file or class that is a link out of it is refused.
        folder: holds one folder per class; the root or a part of it.
        lenient: whether a class without audio will do.

    Returns:
        Each file with its folder's name as class, a track of its own; by path.

    Raises:
        InvalidValueError: for a class without audio, unless lenient.

    Examples:
        >>> files_by_class(Path(__file__).parent, Path(__file__).parent, lenient=True)
        []
    """
    files = []
    for name, place in folders_by_class(folder).items():
        outside = _outside(root, place)
        below = [place] if outside else _audio(place.rglob("*"), place)
        found = [_file(root, path, name) for path in below]
        if not found and not lenient:
            suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
            raise InvalidValueError(f"{place}: expected audio ({suffixes}), got none")
        files += found
    return files


def files_side_by_side(path: Path) -> list[AudioFile]:
    """List the audio that lies in a folder itself.

    Args:
        path: the folder of the data; or a single file.

    Returns:
        Each file, a track of its own, of one class that is named as the folder.

    Examples:
        >>> files_side_by_side(Path(__file__).parent)
        []
    """
    if path.is_file():  # a link too, since it was named itself
        name, label = spelled(path.name), spelled(path.absolute().parent.name)
        return [AudioFile(path, name, label, track=name)]
    return [_file(path, file, path.resolve().name) for file in _audio(path.iterdir(), path)]


def place_in(root: Path, path: Path) -> ImprintError | None:
    """Check that a file is there and lies in the folder of the data, links followed.

    Args:
        root: the folder.
        path: of a file.

    Returns:
        Why it is not to be read; None where it may be.

    Examples:
        >>> print(place_in(Path("music"), Path("music/../key.wav")))
        music/../key.wav: expected a file within music, got one outside of it
    """
    try:
        if _outside(root, path):
            text = f"{path}: expected a file within {root}, got one outside of it"
            return InvalidValueError(text)
        if not path.is_file():
            return MissingFileError(f"{path}: expected a file of audio, found none")
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, names too long
        return InvalidValueError(f"{str(path)!r}: expected the path of a file, got {error}")
    return None


def _outside(root: Path, path: Path) -> bool:
    return not path.resolve().is_relative_to(root.resolve())


def _file(root: Path, path: Path, label: str) -> AudioFile:
    shown = spelled(path.relative_to(root).as_posix())
    return AudioFile(path, shown, spelled(label), track=shown, refused=place_in(root, path))


def _audio(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Those that name audio, sorted; a folder or what is hidden does not count, a link does."""
    named = (path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES)
    return sorted(path for path in named if not is_hidden(path, folder) and not path.is_dir())
