"""What all tabs draw from: the named folders, data, networks, and an index."""

from dataclasses import dataclass
from pathlib import Path

from imprint.app.listening import Listening
from imprint.app.named_folders import NamedFolders
from imprint.app.networks import Networks
from imprint.app.run_data import RunData
from imprint.errors import InvalidValueError

__all__ = ["Sources", "sources_of"]


@dataclass(frozen=True)
class Sources:
    """What the tabs draw from.

    Args:
        folders: that were named.
        data: of runs.
        networks: of runs.
        index: that was named, or None.
        cache: the app's own folder, for uploads and what is played.
    """

    folders: NamedFolders
    data: RunData
    networks: Networks
    index: Listening | None
    cache: Path

    def upload(self, path: str | Path) -> Path:
        """Check that a file is one that a visitor dropped.

        Args:
            path: of the file.

        Returns:
            Its path.

        Raises:
            InvalidValueError: where it does not lie in the app's own folder, links followed.
        """
        if not Path(path).resolve().is_relative_to(self.cache.resolve()):
            raise InvalidValueError(f"file: expected one that was dropped, got {path}")
        return Path(path)

    @property
    def listening(self) -> Listening:
        """The index, where it is one of sound.

        Raises:
            InvalidValueError: where there is none, or one of images.
        """
        if self.index is None or not self.index.is_sound:
            got = "none" if self.index is None else "one of images"
            raise InvalidValueError(f"index: expected one of sound in --index, got {got}")
        return self.index


def sources_of(folders: NamedFolders, index: str | None, cache: Path) -> Sources:
    """Open what the tabs draw from.

    Args:
        folders: that were named.
        index: a folder or an address, or None.
        cache: the app's own folder.

    Returns:
        The sources.

    Raises:
        ImprintError: for an index that is not there or cannot be read.

    Examples:
        >>> sources_of(NamedFolders(Path("nowhere")), None, Path("cache")).index is None
        True
    """
    networks = Networks(folders)
    listening = None if index is None else Listening(index, folders, networks)
    return Sources(folders, RunData(folders), networks, listening, cache)
