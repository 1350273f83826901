"""The folders of a data set: its parts, where it has some, and its classes."""

import re
from pathlib import Path

from imprint.errors import InvalidValueError

__all__ = [
    "class_folders",
    "folders_by_class",
    "is_hidden",
    "part_folders",
    "spelled",
    "split_folders",
]

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation")
"""Names of a split's folder, the one that counts first."""


def class_folders(path: Path) -> list[Path]:
    """List the folders in a folder, without hidden ones.

    Args:
        path: a folder.

    Returns:
        They, by name.

    Examples:
        >>> "embedded" in [folder.name for folder in class_folders(Path(__file__).parent)]
        True
    """
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def folders_by_class(path: Path) -> dict[str, Path]:
    """Find the folder of each class, which is named after it.

    Args:
        path: a folder.

    Returns:
        The folders by the classes' names, in the order of the folders'.

    Raises:
        InvalidValueError: where the names of two folders are spelled alike.

    Examples:
        >>> "embedded" in folders_by_class(Path(__file__).parent)
        True
    """
    found: dict[str, Path] = {}
    for folder in class_folders(path):
        name = spelled(folder.name)
        if name in found:
            expected = "expected classes of different names"
            raise InvalidValueError(f"{path}: {expected}, got {name!r} twice")
        found[name] = folder
    return found


def split_folders(path: Path) -> tuple[Path, Path | None]:
    """Find the splits; a class may be called `train`, so a split must hold folders itself.

    Args:
        path: a folder.

    Returns:
        The folder to train on and the one to test on; the folder itself and None where it has no
        split.

    Examples:
        >>> split_folders(Path(__file__).parent)[1] is None
        True
    """
    splits = {p.name.lower(): p for p in class_folders(path) if class_folders(p)}
    train = next((splits[name] for name in TRAIN if name in splits), None)
    test = next((splits[name] for name in TEST if name in splits), None)
    if train is None or (test is None and len(class_folders(path)) > 1):
        return path, None
    return train, test


def part_folders(path: Path) -> dict[str, Path]:
    """Find all parts that a folder has.

    Args:
        path: a folder.

    Returns:
        Each part's folder by its name, `train` first; or the whole, as `all`.

    Examples:
        >>> list(part_folders(Path(__file__).parent))
        ['all']
    """
    train, test = split_folders(path)
    if test is None:
        return {"all": path}
    known = {place.name.lower(): place for place in class_folders(path) if class_folders(place)}
    others = {name: known[name] for name in TEST if name in known}
    return {"train": train, **(others if len(others) > 1 else {"test": test})}


def is_hidden(path: Path, folder: Path) -> bool:
    """Tell whether a path, or a folder on the way to it, is hidden, as thumbnails are.

    Args:
        path: lies below the folder.
        folder: whose own name does not count.

    Returns:
        Whether a part of it begins with a dot.

    Examples:
        >>> is_hidden(Path("a/.thumbs/1.png"), Path("a")), is_hidden(Path(".a/1.png"), Path(".a"))
        (True, False)
    """
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def spelled(name: str) -> str:
    r"""Spell a file's name as text.

    Args:
        name: as the system gives it.

    Returns:
        The same; bytes that are no text stand as escapes, which JSON, pages and indexes can hold.

    Examples:
        >>> spelled("caf\udce9.png")
        'caf\\xe9.png'
    """
    return _NO_TEXT.sub(_escaped, name)


_NO_TEXT = re.compile("[\ud800-\udfff]")
"""Half of a pair of UTF-16; Python puts some of them in the place of bytes that are no text."""


def _escaped(found: re.Match[str]) -> str:
    point = ord(found[0])
    return f"\\x{point - 0xDC00:02x}" if 0xDC80 <= point <= 0xDCFF else f"\\u{point:04x}"
