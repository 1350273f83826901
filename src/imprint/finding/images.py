"""The images that the rows of an index name."""

from functools import cache
from pathlib import Path

from torch import Tensor

from imprint.data import IMAGE_SUFFIXES, KNOWN, read_picture, survey
from imprint.errors import ImprintError

__all__ = ["RowImages"]

Shape = tuple[int, int, int]


class RowImages:
    """Reads the images that the rows of an index name, where they still lie there.

    Args:
        shape: channels, height and width that files are brought to; None leaves theirs.

    Examples:
        >>> RowImages((1, 28, 28)).read("mnist#test/3").shape
        torch.Size([1, 28, 28])
        >>> RowImages(None).read("gone.png") is None
        True
    """

    def __init__(self, shape: Shape | None) -> None:
        self._shape = shape
        self._parts = cache(survey)  # a set is read once

    def read(self, path: str) -> Tensor | None:
        """Read the image of a row.

        Args:
            path: as the index has it: of a file, or a data set's name, part and number.

        Returns:
            `(C, H, W)`, uint8; None where it is not there any more or cannot be read.
        """
        try:
            file = Path(path)
            if file.suffix.lower() in IMAGE_SUFFIXES and ".." not in file.parts:
                return read_picture(file, shape=self._shape)
            source, _, row = path.rpartition("#")
            part, _, number = row.rpartition("/")
            return self._of_set(source, part, int(number))
        except (ImprintError, OSError, ValueError, LookupError):
            return None

    def _of_set(self, source: str, part: str, number: int) -> Tensor | None:
        if source not in KNOWN and not Path(source).exists():
            return None
        return self._parts(source)[part].images.images[number]
