"""Rows that no longer stand for a file: theirs is gone, or holds something else by now."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from imprint.errors import MissingFileError
from imprint.searching.files import hash_file

__all__ = ["vanished"]


def vanished(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Find the rows whose file is gone, and those of excerpts that their file has no more.

    A file that changed and was indexed anew has new rows; older ones that it left behind show by
    their other hash. Rows without a path of their own on this machine stay.

    Args:
        rows: id, path and hash of each.

    Returns:
        Their ids.

    Raises:
        MissingFileError: where every file is gone: a disk that is not mounted is no reason to
            forget what lay on it.

    Examples:
        >>> vanished([("a", "", ""), ("b", "mnist/train", "")])
        []
    """
    own = [row for row in rows if Path(row[1]).is_absolute()]
    hashes: dict[str, set[str]] = {}
    for _, path, digest in own:
        hashes.setdefault(path, set()).add(digest)
    there = {path: place for path in hashes if (place := _place(path)).is_file()}
    if hashes and not there:
        first = next(iter(hashes))
        raise MissingFileError(f"prune: expected a file of the index to be there, such as {first}")
    current = {path: hash_file(place) for path, place in there.items() if len(hashes[path]) > 1}
    return [
        row for row, path, digest in own if path not in there or digest != current.get(path, digest)
    ]


def _place(path: str) -> Path:
    """Where a row's file lies; bytes of a name that are not UTF-8 are told as an index does."""
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda byte: bytes([int(byte[1], 16)]), path.encode())
    own = Path(path)
    return own if own.exists() else Path(os.fsdecode(raw))
