"""Room for what visitors drop, and for what is played to them: the oldest files make way."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

__all__ = ["make_room"]

MOST_FILES = 1000
"""Files that stay, at most; their folders make a list that is gone through for each new one."""


def make_room(folder: Path, most: int) -> None:
    """Remove the oldest files of a folder, and folders in which none is left.

    Args:
        folder: with all that lies below it.
        most: bytes that the files which stay may take together; they are 1,000 at most.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     _ = (Path(place) / "dropped.png").write_bytes(b"12345")
        ...     make_room(Path(place), 4)
        ...     list(Path(place).iterdir())
        []
    """
    newest = sorted(_files(folder), reverse=True)
    taken = accumulate(size for _, size, _ in newest)
    for number, ((_, _, path), total) in enumerate(zip(newest, taken, strict=True), 1):
        if total > most or number > MOST_FILES:
            path.unlink(missing_ok=True)
            if path.parent != folder:
                with suppress(OSError):  # another file lies there
                    path.parent.rmdir()


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each was written, its size, and where it is."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a visitor's sound gets its name just now
            if path.is_file():
                stat = path.stat()
                yield stat.st_mtime_ns, stat.st_size, path
