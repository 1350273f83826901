"""The images that a run names: read where they may be, and kept for the next look."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from imprint.app.damage import told_as_damaged
from imprint.app.named_folders import NamedFolders
from imprint.data import KNOWN, is_audio, load, survey
from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits

__all__ = ["RunData"]

KEPT = 2
"""Data sets that are kept in memory."""

TEST_SHARE = 0.2
"""Share that `imprint train` holds out where it is not told."""


class RunData:
    """Reads the data that runs name.

    Args:
        folders: that were named.

    Examples:
        >>> data = RunData(NamedFolders(Path("nowhere")))
        >>> len(data.splits({"data": "mnist"}).test)
        10000
    """

    def __init__(self, folders: NamedFolders) -> None:
        self._folders = folders
        self._load = lru_cache(KEPT)(load)
        self._survey = lru_cache(KEPT)(survey)

    def splits(self, config: Mapping[str, Any]) -> DataSplits:
        """Read the data of a training, split as it split them.

        Args:
            config: the run's `config.json`.

        Returns:
            What it trained and tested on.

        Raises:
            ImprintError: where they may not or cannot be read.
        """
        source = self._source(config)
        if source in KNOWN:
            return self._load(source, image_size=config.get("image_size"))
        with told_as_damaged("config.json"):
            seed = int(config.get("split_seed", config.get("seed", 0)))
            share = float(config.get("test_share", TEST_SHARE))
        size = config.get("image_size")
        return self._load(source, test_share=share, seed=seed, image_size=size)

    def parts(self, config: Mapping[str, Any]) -> dict[str, DataPart]:
        """Read the data of an exploration, as they lie.

        Args:
            config: the run's `config.json`.

        Returns:
            The parts by name.

        Raises:
            ImprintError: where they may not or cannot be read.
        """
        return self._survey(self._source(config), image_size=config.get("image_size"))

    def _source(self, config: Mapping[str, Any]) -> str:
        source = self._folders.source(str(config.get("data", "")))
        if source not in KNOWN and is_audio(Path(source)):
            raise InvalidValueError("data: expected images, got sound, which is not shown here")
        return source
