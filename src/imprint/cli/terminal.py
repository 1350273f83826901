"""What all commands say alike: a table, where their files are, how they were called."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["bare_table", "command_line", "print_paths", "result_console"]


def command_line() -> str:
    """Give the command as it was typed, for whoever repeats it.

    Returns:
        One line, quoted for a shell.
    """
    return shlex.join(["imprint", *sys.argv[1:]])


def result_console() -> Console:
    """Make the console for a command's result; in a pipe its lines are not broken.

    Returns:
        A console on stdout.
    """
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def bare_table(gap: int = 2) -> Table:
    """Make a table without lines.

    Args:
        gap: characters between its columns.

    Returns:
        The table, without columns yet.

    Examples:
        >>> bare_table().box is None
        True
    """
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))


def print_paths(
    console: Console, folder: Path, names: Iterable[str] = ("report.html", "result.json")
) -> None:
    """Print where the files of a result are, each on one line, however long.

    Args:
        console: to print on.
        folder: of the files.
        names: theirs.
    """
    for name in names:
        console.print(str(folder / name), soft_wrap=True, markup=False)
