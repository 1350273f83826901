"""What a run that goes on tells in its folder: how far it is, once a second at most."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from imprint.training.progress import Progress

__all__ = ["PROGRESS", "telling"]

PROGRESS = "progress.json"
"""The file: where the run stands, gone once it has ended."""

PAUSE = 1.0
"""Seconds from one to the next."""


def telling(
    on_step: Callable[[Progress], None],
    folder: Path | None,
    *,
    epochs: int,
    class_names: Sequence[str],
) -> Callable[[Progress], None]:
    """Have each optimizer step told to whoever looks at the run's folder as well.

    The file is replaced whole, and not forced to the disk: it costs a step a fraction of a
    millisecond, once a second, and what a crash loses of it nobody needs.

    Args:
        on_step: what is called after each step anyway.
        folder: of the run; None for one that writes nothing.
        epochs: of the run.
        class_names: of the data, in order.

    Returns:
        What is to be called instead.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tell = telling(lambda step: None, Path(folder), epochs=8, class_names=("a", "b"))
        ...     tell(Progress("plain", 0, 1, 235, 2.3, 256, 0))
        ...     json.loads((Path(folder) / PROGRESS).read_text())["steps"]
        235
    """
    if folder is None:
        return on_step
    path, told = folder / PROGRESS, -PAUSE
    same = {"epochs": epochs, "class_names": list(class_names)}

    def tell(step: Progress) -> None:
        nonlocal told
        on_step(step)
        now = time.monotonic()
        if now - told >= PAUSE:
            told = now
            _replace(path, json.dumps(step._asdict() | same))

    return tell


def _replace(path: Path, text: str) -> None:
    """Write a file whole; where that fails, the run goes on: it is only a sign."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
