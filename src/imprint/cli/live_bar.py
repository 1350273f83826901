"""What commands show while they work: a bar on a terminal, and lines everywhere."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["LiveBar"]


class LiveBar:
    """A bar on a terminal while the block runs, and lines everywhere; all of it on stderr.

    Args:
        name: of what is done, before the bar.
        beside: behind it, in rich's words for a task, such as `{task.completed:,.0f} images`.
        shown: whether a terminal shows the bar.
        task: what the bar begins with: its total, and fields that `beside` names.
    """

    def __init__(self, name: str, beside: str, *, shown: bool = True, **task: Any) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn(beside),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not (shown and self.console.is_terminal),
        )
        self._task = self._bar.add_task(name, **{"total": None, **task})

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def move(self, **state: Any) -> None:
        """Move the bar.

        Args:
            state: what changes: `completed`, `total`, `description`, or a field of its own.
        """
        self._bar.update(self._task, **state)

    def say(self, line: str) -> None:
        """Print a line as it is.

        Args:
            line: any text.
        """
        self.console.print(line, markup=False)

    def skip(self, path: str, reason: str) -> None:
        """Name what cannot be read.

        Args:
            path: of it.
            reason: why, with or without the path.
        """
        self.say(f"skipped: {reason if path in reason else f'{path}: {reason}'}")
