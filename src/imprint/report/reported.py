"""What a command came to, as a page and as JSON: the same for every command that has a report."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from imprint.runs import write_json, write_text

__all__ = ["Reported"]


class Reported(ABC):
    """A result with its report.

    Args:
        result: what `result.json` holds.

    Attributes:
        result: likewise.

    Examples:
        >>> import tempfile
        >>> class Greeting(Reported):
        ...     def page(self, command=""):
        ...         return f"<p>{self.result['says']}</p>"
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Greeting({"says": "hello"}).to_html(Path(folder) / "report.html").read_text()
        '<p>hello</p>'
    """

    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result

    @abstractmethod
    def page(self, command: str = "") -> str:
        """Make the report.

        Args:
            command: how to repeat it.

        Returns:
            One HTML page that opens with no network.
        """

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
        return write_text(Path(path), self.page(command))

    def write(self, folder: Path, command: str = "") -> None:
        """Write `report.html` and `result.json` into a folder.

        Args:
            folder: that exists.
            command: how to repeat it.

        Raises:
            StorageError: where they cannot be written.
        """
        self.to_html(folder / "report.html", command)
        write_json(folder / "result.json", self.result)
