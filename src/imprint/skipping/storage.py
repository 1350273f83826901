"""What a plan knows of each sample, two bytes: in memory, or in a file that is mapped into it."""

import mmap
from pathlib import Path

import torch
from torch import Tensor

from imprint.errors import InvalidValueError, StorageError
from imprint.skipping.levels import UNKNOWN

__all__ = ["PlanStorage"]

HEAD = 8
"""Bytes of the epoch."""

BLOCK = 1 << 24
"""Bytes written together when a file is made."""


class PlanStorage:
    """A byte for the last known loss of each sample, and a byte for the epochs since it was loaded.

    Args:
        count: N, the samples.
        path: a file to keep them in; one that is there is taken over. None keeps them in memory.

    Attributes:
        levels: `(N,)`, uint8, losses as `loss_to_level` gives them; at first not known.
        ages: `(N,)`, uint8, epochs since each sample was last loaded; at first 0.
        epoch: `(1,)`, int64, how many epochs have ended.

    Raises:
        InvalidValueError: where the file is that of another number of samples.
        StorageError: where it cannot be made or written.

    Examples:
        >>> PlanStorage(2).levels
        tensor([255, 255], dtype=torch.uint8)
    """

    def __init__(self, count: int, path: Path | None = None) -> None:
        self._map: mmap.mmap | None = None
        if path is None:
            self.levels = torch.full((count,), UNKNOWN, dtype=torch.uint8)
            self.ages = torch.zeros(count, dtype=torch.uint8)
            self.epoch = torch.zeros(1, dtype=torch.int64)
            return
        try:
            self._map = _map(path, count)
        except OSError as error:
            raise StorageError(f"path: expected a file to write, {error}") from error
        self.epoch = torch.frombuffer(self._map, dtype=torch.int64, count=1)
        if int(self.epoch) < 0:
            raise InvalidValueError(f"path: expected a plan's file, got epoch {int(self.epoch)}")
        both = torch.frombuffer(self._map, dtype=torch.uint8, offset=HEAD)
        self.levels, self.ages = both[:count], both[count:]

    @property
    def mapped(self) -> bool:
        """Whether the bytes lie in a file."""
        return self._map is not None

    def parts(self) -> dict[str, Tensor]:
        """Name the two tensors, as a state has them."""
        return {"levels": self.levels, "ages": self.ages}

    def release(self) -> None:
        """Let go of the memory that a mapped file takes up; its bytes stay as they are."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def flush(self) -> None:
        """Wait until a mapped file is written."""
        if self._map is not None:
            self._map.flush()


def _map(path: Path, count: int) -> mmap.mmap:
    """Map a file: the epoch, then a byte a sample for its loss, then one for its age."""
    if not path.exists():
        _create(path, count)
    size = HEAD + 2 * count
    if path.stat().st_size != size:
        expected = f"a file of {size} bytes, {HEAD} and two for each of {count} samples"
        raise InvalidValueError(f"path: expected {expected}, got {path.stat().st_size}")
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), size)


def _create(path: Path, count: int) -> None:
    """Write a whole file under another name first, so that none is ever half there."""
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.write(bytes(HEAD))
        for start in range(0, count, BLOCK):
            file.write(bytes([UNKNOWN]) * min(BLOCK, count - start))
        file.truncate(HEAD + 2 * count)
    unfinished.replace(path)
