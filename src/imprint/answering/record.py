"""What early exits came to: the result, its report, and the exits themselves."""

from pathlib import Path
from typing import Any

from imprint.answering.pictures import pictures_of
from imprint.answering.results import Answered
from imprint.report import early_exit_report
from imprint.runs import write_json, write_text

__all__ = ["EarlyExitResult"]


class EarlyExitResult:
    """What `answer_early` came to.

    Attributes:
        result: what `result.json` holds; `docs/early-exit.md` lists the keys.
        exits: to open on the model.
    """

    def __init__(self, answered: Answered, result: dict[str, Any]) -> None:
        self.result = result
        self.exits = answered.exits
        self._answered = answered

    def to_html(self, path: Path | str, command: str = "") -> Path:
        """Write the report, one page that opens with no network.

        Args:
            path: where to.
            command: how to repeat it.

        Returns:
            The path.

        Raises:
            StorageError: where it cannot be written.
        """
        page = early_exit_report(self.result, pictures_of(self._answered), command)
        return write_text(Path(path), page)

    def write(self, folder: Path, command: str = "") -> None:
        """Write `exits.safetensors`, `report.html` and `result.json` into a folder.

        Args:
            folder: that exists.
            command: how to repeat it.

        Raises:
            StorageError: where they cannot be written.
        """
        self.exits.save(folder / "exits.safetensors")
        self.to_html(folder / "report.html", command)
        write_json(folder / "result.json", self.result)
