"""The folders that the user named: nothing outside of them is read, links followed."""

from collections.abc import Sequence
from pathlib import Path

from imprint.data.known import KNOWN, at_hand
from imprint.data.places import data_folder
from imprint.errors import InvalidValueError, MissingFileError

__all__ = ["NamedFolders"]


class NamedFolders:
    """What the app may read: runs, the folders of data, and the runs whose code may run.

    Args:
        runs: the folder whose folders are runs; it need not be there yet.
        data: folders of images or sounds that runs and an index name.
        trusted: folders of runs whose network is code of the user's own, and may run.

    Raises:
        MissingFileError: where a folder of data, or of a trusted run, is not there.
        InvalidValueError: where the folder of runs is a file.

    Examples:
        >>> NamedFolders(Path("nowhere")).run("../etc")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: run: expected a folder in nowhere, got '../etc'
    """

    def __init__(
        self, runs: Path, *, data: Sequence[Path] = (), trusted: Sequence[Path] = ()
    ) -> None:
        for option, folders in (("data", data), ("model", trusted)):
            for folder in folders:
                if not folder.is_dir():
                    raise MissingFileError(f"{option}: expected a folder {folder}, found none")
        if runs.exists() and not runs.is_dir():
            raise InvalidValueError(f"runs: expected a folder, got {runs}, which is none")
        self.runs = runs
        self._trusted = {folder.resolve() for folder in trusted}
        named = data_folder()
        known = [folder.resolve() for folder in (*data, *((named,) if named else ()))]
        self._data = tuple(known)

    def run(self, name: str) -> Path:
        """Give the folder of a run, proven to lie in the folder of runs with all that is in it.

        Args:
            name: of the folder.

        Returns:
            Its path.

        Raises:
            InvalidValueError: for a name that leads out, or a run with a link that does.
            MissingFileError: where there is no run.
        """
        if not name or Path(name).name != name or name == ".." or "\0" in name:
            raise InvalidValueError(f"run: expected a folder in {self.runs}, got {name!r}")
        folder, root = self.runs / name, self.runs.resolve()
        inner = folder.iterdir() if folder.is_dir() else ()
        for path in (folder, *(path for path in inner if path.is_symlink())):
            if not path.resolve().is_relative_to(root):
                got = f"{path}, which leads out of it"
                raise InvalidValueError(f"run: expected a run within {self.runs}, got {got}")
        if not (folder / "config.json").is_file():
            raise MissingFileError(f"run: expected one in {folder}, found none")
        return folder

    def run_at(self, path: str | Path) -> str:
        """Name the run that another one points at by its path.

        Args:
            path: of its folder.

        Returns:
            Its name in the folder of runs.

        Raises:
            InvalidValueError: where it lies elsewhere.
        """
        found = Path(path).resolve()
        if found.parent != self.runs.resolve():
            raise InvalidValueError(f"run: expected one within {self.runs}, got {path}")
        return found.name

    def may_run(self, folder: Path) -> bool:
        """Tell whether a run's own code was named, so that it may run."""
        return folder.resolve() in self._trusted

    def source(self, name: str) -> str:
        """Check that data may be read, and are there without a download.

        Args:
            name: a known set, or a path, as a run has it.

        Returns:
            The known name, or the path.

        Raises:
            InvalidValueError: for a path outside of the folders that were named.
            MissingFileError: for what is not there.
        """
        if name in KNOWN:
            if not at_hand(KNOWN[name]):
                raise MissingFileError(f"data: expected {name} on this machine, found none")
            return name
        below = (folder / name for folder in self._data)
        found = next((path for path in (Path(name), *below) if path.exists()), None)
        if found is None:
            raise MissingFileError(f"data: expected {name}, found none")
        return str(self.file(found))

    def file(self, path: str | Path) -> Path:
        """Check that a file or folder of data may be read.

        Args:
            path: its path.

        Returns:
            Where it lies, links followed.

        Raises:
            InvalidValueError: where that is outside of the folders that were named.
            MissingFileError: where nothing is there.
        """
        try:
            found = Path(path).resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingFileError(f"data: expected {path}, found none") from error
        if not any(found.is_relative_to(folder) for folder in self._data):
            expected = "a place within the folders named by --data"
            raise InvalidValueError(f"data: expected {expected}, got {path}")
        return found
