"""What a terminal shows while a network answers."""

import sys

from imprint.cli.live_bar import LiveBar
from imprint.early_exit import DriftMonitor
from imprint.errors import MissingFileError

__all__ = ["AnswerDisplay"]


class AnswerDisplay(LiveBar):
    """A live bar, unless answers fill the terminal, and a line for what cannot be read."""

    def __init__(self) -> None:
        state = "{task.completed:,.0f} images"
        super().__init__("answering", state, shown=not sys.stdout.isatty())
        self._done = self._broken = 0
        self._told = False

    def expect(self, total: int) -> None:
        """Say how many there will be."""
        self.move(total=total)

    def answered(self, count: int) -> None:
        """Move the bar."""
        self._done += count
        self.move(completed=self._done + self._broken)

    def broken(self, path: str, reason: str) -> None:
        """Tell of an image that cannot be read."""
        self._broken += 1
        self.skip(path, reason)

    def moved(self, monitor: DriftMonitor | None) -> None:
        """Tell, once, that the exits have closed."""
        if monitor is not None and monitor.alarmed and not self._told:
            self._told = True
            self.say(
                f"after {self._done:,} images: these differ from those of calibration; the exits "
                "are closed, and all further images go to the end"
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
            self.say(f"answered {self._done:,}, skipped {self._broken:,}")
