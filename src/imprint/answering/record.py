"""What early exits came to: the result, its report, and the exits themselves."""

from pathlib import Path
from typing import Any

from imprint.answering.pictures import pictures_of
from imprint.answering.results import Answered
from imprint.report import Reported, early_exit_report

__all__ = ["EarlyExitResult"]


class EarlyExitResult(Reported):
    """What `answer_early` came to.

    Attributes:
        result: what `result.json` holds; `docs/early-exit.md` lists the keys.
        exits: to open on the model.
    """

    def __init__(self, answered: Answered, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.exits = answered.exits
        self._answered = answered

    def page(self, command: str = "") -> str:
        """Make the report; see `Reported`."""
        return early_exit_report(self.result, pictures_of(self._answered), command)

    def write(self, folder: Path, command: str = "") -> None:
        """Write `exits.safetensors`, `report.html` and `result.json` into a folder.

        Args:
            folder: that exists.
            command: how to repeat it.

        Raises:
            StorageError: where they cannot be written.
        """
        self.exits.save(folder / "exits.safetensors")
        super().write(folder, command)
