"""What a source of data is: how it is recognised and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits

__all__ = ["ReadOptions", "Source"]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a source.

    Args:
        test_share: share of each class to test on, in (0, 1), where a source has no split itself.
        seed: of that split, at least 0.
        image_size: side of the images in pixels; None keeps them as the source has them.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> ReadOptions().test_share
        0.2
    """

    test_share: float = 0.2
    seed: int = 0
    image_size: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise InvalidValueError(
                f"test_share: expected a share in (0, 1), got {self.test_share}"
            )
        if self.seed < 0:
            raise InvalidValueError(f"seed: expected at least 0, got {self.seed}")
        if self.image_size is not None and self.image_size < 1:
            raise InvalidValueError(f"image_size: expected at least 1 pixel, got {self.image_size}")


@dataclass(frozen=True)
class Source:
    """One kind of place that images come from; `sources.py` lists all of them.

    Args:
        form: what it is, in words that an error message can use.
        accepts: whether an existing path is of this kind.
        read: the path and the options in, the images out.
        survey: the path and the side of the images in, the parts out as they lie there, by name;
            None where `read` gives them so.

    Examples:
        >>> Source("a folder", Path.is_dir, lambda path, options: ...).accepts(Path.cwd())
        True
    """

    form: str
    accepts: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], DataSplits]
    survey: Callable[[Path, int | None], dict[str, DataPart]] | None = None
