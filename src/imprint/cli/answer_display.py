"""What a terminal shows while a network answers."""

import sys
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from imprint.early_exit import DriftMonitor
from imprint.errors import MissingFileError

__all__ = ["AnswerDisplay"]


class AnswerDisplay:
    """A live bar on a terminal, and a line for what cannot be read; all of it on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._done = self._broken = 0
        self._told = False
        self._bar = Progress(
            TextColumn("answering"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f} images"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal or sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("answering", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, total: int) -> None:
        """Say how many there will be."""
        self._bar.update(self._task, total=total)

    def answered(self, count: int) -> None:
        """Move the bar."""
        self._done += count
        self._bar.update(self._task, completed=self._done + self._broken)

    def broken(self, path: str, reason: str) -> None:
        """Tell of an image that cannot be read."""
        self._broken += 1
        own = reason if path in reason else f"{path}: {reason}"
        self._console.print(f"skipped: {own}", markup=False)

    def moved(self, monitor: DriftMonitor | None) -> None:
        """Tell, once, that the exits have closed."""
        if monitor is not None and monitor.alarmed and not self._told:
            self._told = True
            self._console.print(
                f"after {self._done:,} images: these differ from those of calibration; the exits "
                "are closed, and all further images go to the end",
                markup=False,
            )

    def check(self) -> None:
        """Check that something was answered."""
        if not self._done:
            raise MissingFileError(
                f"input: expected at least one image that can be read, {self._broken} cannot"
            )

    def end(self) -> None:
        """Tell how many were skipped."""
        if self._broken:
            answered = f"answered {self._done:,}, skipped {self._broken:,}"
            self._console.print(answered, markup=False)
