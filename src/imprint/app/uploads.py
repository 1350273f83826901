"""Room for what visitors drop: the oldest files make way, and no request goes on for ever."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

__all__ = ["limited", "make_room"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


def make_room(folder: Path, most: int) -> None:
    """Remove the oldest files of a folder.

    Args:
        folder: with all that lies below it.
        most: bytes that the files which stay may take together.

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
    for (_, _, path), total in zip(newest, taken, strict=True):
        if total > most:
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each was written, its size, and where it is."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a visitor's sound gets its name just now
            if path.is_file():
                stat = path.stat()
                yield stat.st_mtime_ns, stat.st_size, path


def limited(receive: Receive, most: int) -> Receive:
    """Break a request off, as if its visitor had left, where its body grows too large.

    Args:
        receive: gives the request's messages.
        most: bytes of its body.

    Returns:
        What gives them in its place.

    Examples:
        >>> callable(limited(lambda: None, 10))
        True
    """
    left = most

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return counted
