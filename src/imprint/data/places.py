"""Where a known set may lie on this machine."""

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["Place", "cache_folder", "data_folder", "places"]

SYSTEM = Path("/usr/share/datasets")
"""Where Debian's packages put data sets, dataset-fashion-mnist among them."""


class Place(NamedTuple):
    """A folder to look in.

    Attributes:
        folder: the folder, or None where it is not set up.
        what: what an error message calls it.
    """

    folder: Path | None
    what: str


def data_folder() -> Path | None:
    """Give the folder that the environment variable `IMPRINT_DATA` names.

    Returns:
        The folder, or None where the variable is not set.

    Examples:
        >>> data_folder() is None or data_folder() == Path(os.environ["IMPRINT_DATA"])
        True
    """
    named = os.environ.get("IMPRINT_DATA")
    return Path(named) if named else None


def cache_folder(name: str) -> Path:
    """Give the folder in the user's cache that a set is downloaded to, or images of sound lie in.

    The environment variable `IMPRINT_CACHE` names another folder than the user's cache.

    Args:
        name: of the set.

    Returns:
        The folder, whether it exists or not.

    Examples:
        >>> cache_folder("cifar10").name
        'cifar10'
    """
    named = os.environ.get("IMPRINT_CACHE")
    if named:
        return Path(named).expanduser() / name
    import pooch

    return Path(pooch.os_cache("imprint")) / name


def places(name: str, *, embedded: Path | None = None) -> tuple[Place, ...]:
    """List the folders where a known set is looked for, in order.

    Args:
        name: of the set.
        embedded: its folder inside the package, where it has one.

    Returns:
        the package, `IMPRINT_DATA`, the system's data, the user's cache.

    Examples:
        >>> [place.what for place in places("cifar10")]
        ['IMPRINT_DATA', "the system's data", "the user's cache"]
    """
    named = data_folder()
    package = (Place(embedded, "the package"),) if embedded else ()
    return (
        *package,
        Place(named / name if named else None, "IMPRINT_DATA"),
        Place(SYSTEM / name, "the system's data"),
        Place(cache_folder(name), "the user's cache"),
    )
