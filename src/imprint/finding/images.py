"""The images that the rows of an index name."""

from functools import cache
from pathlib import Path

from torch import Tensor

from imprint.data import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    KNOWN,
    AudioOptions,
    read_picture,
    read_sound_picture,
    survey,
)
from imprint.errors import ImprintError
from imprint.searching import Found, Row, Suggested

__all__ = ["RowImages"]

Shape = tuple[int, int, int]


class RowImages:
    """Reads the images that the rows of an index name, where they still lie there.

    Args:
        shape: channels, height and width that files are brought to; None leaves theirs.
        audio: how sound becomes images, for an index of sound.

    Examples:
        >>> RowImages((1, 28, 28)).read("mnist#test/3").shape
        torch.Size([1, 28, 28])
        >>> RowImages(None).read("gone.png") is None
        True
    """

    def __init__(self, shape: Shape | None, audio: AudioOptions | None = None) -> None:
        self._shape, self._audio = shape, audio
        self._parts = cache(survey)  # a set is read once

    def of_row(self, row: Row | Found | Suggested) -> Tensor | None:
        """Read the image of a row; see `read`."""
        start = row.metadata.get("start_seconds")
        return self.read(row.path, start=start if isinstance(start, int | float) else None)

    def read(self, path: str, *, start: float | None = None) -> Tensor | None:
        """Read the image of a row.

        Args:
            path: as the index has it: of a file, or a data set's name, part and number.
            start: where its excerpt begins, in seconds, of a sound.

        Returns:
            `(C, H, W)`, uint8; None where it is not there any more or cannot be read.
        """
        try:
            file = Path(path)
            if file.suffix.lower() in IMAGE_SUFFIXES and ".." not in file.parts:
                return read_picture(file, shape=self._shape)
            if self._audio is not None and file.suffix.lower() in AUDIO_SUFFIXES:
                return (
                    None
                    if ".." in file.parts
                    else read_sound_picture(file, self._audio, start=start)
                )
            source, _, row = path.rpartition("#")
            part, _, number = row.rpartition("/")
            return self._of_set(source, part, int(number))
        except (ImprintError, OSError, ValueError, LookupError):
            return None

    def _of_set(self, source: str, part: str, number: int) -> Tensor | None:
        if source not in KNOWN and not Path(source).exists():
            return None
        return self._parts(source)[part].images.images[number]
