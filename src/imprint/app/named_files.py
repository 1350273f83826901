"""Files that a request names: those of the app's own folder, and no others.

Gradio copies what a field is said to hold into its cache before anything looks at it, whatever the
field is, and fetches addresses. So what a request names is looked at before Gradio sees it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["FILE", "may_name", "may_serve"]

FILE = "/gradio_api/file="
"""Where Gradio hands out files."""

DEEPEST = 50
"""Levels of a request that are looked at; what is deeper is refused."""


def may_serve(path: str, cache: Path) -> bool:
    """Tell whether a file may be handed out, or taken for one that was dropped.

    Args:
        path: that was asked for, as it was.
        cache: the app's own folder.

    Returns:
        Whether it lies in the folder, links followed, and `..` stands nowhere in it.

    Examples:
        >>> may_serve("/etc/passwd", Path("cache")), may_serve("http://host/a", Path("cache"))
        (False, False)
    """
    own = Path(path)
    if not own.is_absolute() or ".." in own.parts or "\0" in path:
        return False
    try:
        return own.resolve().is_relative_to(cache.resolve())
    except (OSError, RuntimeError, ValueError):  # one that no file can have
        return False


def may_name(body: bytes, cache: Path) -> bool:
    """Tell whether a request names no file but those of the app's own folder.

    Args:
        body: of the request, JSON.
        cache: the app's own folder.

    Returns:
        False also for what is no JSON.

    Examples:
        >>> may_name(b'{"data": [{"path": "/etc/passwd"}]}', Path("cache"))
        False
        >>> may_name(b'{"data": ["first", 0.1]}', Path("cache"))
        True
    """
    try:
        named = list(_named(json.loads(body or b"null"), DEEPEST))
        return all(_fits(key, value, cache) for key, value in named)
    except (ValueError, RecursionError):
        return False


def _named(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """What stands under `path` and `url`, at any depth."""
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        yield from ((key, value[key]) for key in ("path", "url") if value.get(key) is not None)
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for each in inner:
            yield from _named(each, depth - 1)


def _fits(key: str, value: Any, cache: Path) -> bool:
    if not isinstance(value, str):
        return False
    if key == "path":
        return may_serve(value, cache)
    _, _, file = urlsplit(value).path.partition(FILE)
    return may_serve(unquote(file), cache)
