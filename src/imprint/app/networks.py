"""The networks of runs: loaded once, and never code that nobody named."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from imprint.app.named_folders import NamedFolders
from imprint.app.run_list import list_runs
from imprint.early_exit import EarlyExit
from imprint.errors import InvalidValueError
from imprint.hashes import hash_tensors
from imprint.runs import read_json
from imprint.training import Trained, load_trained, runs_foreign_code

__all__ = ["ONE_AT_A_TIME", "Networks"]

ONE_AT_A_TIME = "networks"
"""Group of the page's steps that run networks: one step at a time, as all visitors share each
network, and what watches its layers, or lets rows leave early, would meet another's images."""

KEPT = 4
"""Networks that are kept in memory."""


class Networks:
    """Loads the networks of runs, and their early exits.

    Args:
        folders: that were named.

    Examples:
        >>> Networks(NamedFolders(Path("nowhere"))).network("first")
        Traceback (most recent call last):
        imprint.errors.MissingFileError: run: expected one in nowhere/first, found none
    """

    def __init__(self, folders: NamedFolders) -> None:
        self._folders = folders
        self._loaded = lru_cache(KEPT)(self._load)

    def network(self, name: str, *, answers: bool = True) -> Trained:
        """Load the network of a run.

        Args:
            name: of the run.
            answers: whether it must name classes.

        Returns:
            The network, on the CPU.

        Raises:
            InvalidValueError: for a network that is code of the user's own and was not named.
            ImprintError: for a run that is not there, not finished, or cannot be read.
        """
        folder = self._folders.run(name)
        weights = folder / "model.safetensors"
        changed = weights.stat().st_mtime_ns if weights.is_file() else 0
        return self._loaded(folder, changed, answers)

    def config(self, name: str) -> dict[str, Any]:
        """Read what a run was asked."""
        return read_json(self._folders.run(name) / "config.json")

    def exits_of(self, name: str) -> list[str]:
        """List the early-exit runs whose exits are those of a run's network.

        Args:
            name: of the run.

        Returns:
            Their names, the newest first.
        """
        weights = hash_tensors(self.network(name).model.state_dict())
        runs = list_runs(self._folders, "early-exit")
        return [own.name for own in runs if self.config(own.name).get("weights") == weights]

    def exits(self, name: str, run: str) -> EarlyExit:
        """Load the exits of an early-exit run.

        Args:
            name: of the early-exit run.
            run: whose network they are to be of.

        Returns:
            The exits.

        Raises:
            InvalidValueError: where they are another network's, or ask first one that lies outside
                of the folder of runs.
        """
        asked = self.config(name)
        trained = self.network(run)
        self._check(asked, "weights", trained)
        first = None
        if asked.get("first_weights") is not None:
            found = self.network(self._folders.run_at(str(asked.get("first"))))
            self._check(asked, "first_weights", found)
            first = found.model
        return EarlyExit.load(self._folders.run(name) / "exits.safetensors", first=first)

    def _check(self, asked: Mapping[str, Any], key: str, trained: Trained) -> None:
        if asked.get(key) != hash_tensors(trained.model.state_dict()):
            raise InvalidValueError("exits: expected those of the network, got another network's")

    def _load(self, folder: Path, _changed: int, answers: bool) -> Trained:  # noqa: FBT001 - a key
        foreign = runs_foreign_code(folder)
        if foreign is not None and not self._folders.may_run(folder):
            expected = f"--model {folder} when the app starts, since its network {foreign} is code"
            raise InvalidValueError(f"run: expected {expected} that would run; it is not loaded")
        return load_trained(folder, answers=answers)
