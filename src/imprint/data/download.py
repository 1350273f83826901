"""Downloads: checked before they get their name, whole or not at all."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imprint.errors import MissingFileError, StorageError

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["download"]

T = TypeVar("T")


class _Bar:
    """One file's bar, with the four names that pooch calls."""

    def __init__(self, progress: "Progress", name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)
        self.total = 0

    def update(self, amount: int) -> None:
        self._progress.update(self._task, total=self.total, advance=amount)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.refresh()


def download(urls: Sequence[str], folder: Path, *, check: Callable[[Path], T]) -> T:
    """Download files into a folder that appears once all are there and found right.

    A bar on standard error shows the progress, on a terminal only.

    Args:
        urls: the last part of each is the file's name.
        folder: where they go; its parents are made.
        check: is given the folder with all files and raises where they are wrong.

    Returns:
        what `check` gave.

    Raises:
        StorageError: where the folder cannot be written.
        MissingFileError: where the network or the server gives no file.

    Examples:
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     download([], Path(parent) / "set", check=lambda folder: len(list(folder.iterdir())))
        0
    """
    with _scratch(folder.parent) as scratch:
        made = scratch / folder.name
        made.mkdir()
        for url in urls:
            _fetch(url, made / url.rsplit("/", 1)[1])
        result = check(made)
        _move(made, folder)
        return result


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    try:
        parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=parent, prefix=".download-")
    except OSError as error:
        raise StorageError(
            f"{parent}: expected a folder that can be written, got {error}"
        ) from error
    with scratch as path:
        yield Path(path)


def _fetch(url: str, file: Path) -> None:
    from pooch import HTTPDownloader

    with _bar(file.name) as bar:
        try:
            HTTPDownloader(progressbar=bar or False, chunk_size=1 << 16)(url, str(file), None)
        except OSError as error:
            if error.errno is None:  # those of requests have none
                cause = str(error).rpartition("Caused by ")[2].removesuffix(")")
                raise MissingFileError(f"{url}: expected a download, got {cause}") from error
            raise StorageError(f"{file}: expected to write a download, got {error}") from error


@contextmanager
def _bar(name: str) -> Iterator[_Bar | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bar(progress, name)


def _move(made: Path, folder: Path) -> None:
    """Name the finished folder; where another process was quicker, its copy is as good."""
    try:
        made.replace(folder)
    except OSError as error:
        if not any(folder.glob("*")):
            raise StorageError(f"{folder}: expected to name a download, got {error}") from error
