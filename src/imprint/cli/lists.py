"""Lists on the command line: `--epsilon 0 0.1 0.2` beside `--epsilon 0 --epsilon 0.1 …`."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from typer.core import TyperCommand

__all__ = ["ListCommand", "repeat_option"]


LISTS = ("--epsilon",)
"""Options that take several numbers."""


class ListCommand(TyperCommand):
    """A command whose options of several numbers take them one after the other, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each of its numbers, which is how they are parsed."""
        for option in LISTS:
            args = repeat_option(args, option)
        return super().parse_args(ctx, args)


def repeat_option(args: Sequence[str], option: str) -> list[str]:
    """Put an option before each number of a list that begins with it.

    Args:
        args: of a command line.
        option: its name.

    Returns:
        The arguments, the option repeated.

    Examples:
        >>> repeat_option(["--epsilon", "0", "0.1", "--steps", "4"], "--epsilon")
        ['--epsilon', '0', '--epsilon', '0.1', '--steps', '4']
    """
    spelled: list[str] = []
    listing = False
    for before, word in pairwise(["", *args]):
        listing = before == option or (listing and before != option and _is_number(word))
        spelled += [option, word] if listing and before != option else [word]
    return spelled


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
