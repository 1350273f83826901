"""The stages of a long job: named as they begin, and timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Stages"]


class Stages:
    """Names each stage as it begins, and measures it.

    Args:
        on_stage: called with the name of each stage as it begins.

    Attributes:
        seconds: of each stage that has ended, by name.

    Examples:
        >>> stages = Stages(print)
        >>> with stages("reading"):
        ...     pass
        reading
        >>> list(stages.seconds)
        ['reading']
    """

    def __init__(self, on_stage: Callable[[str], None]) -> None:
        self._on_stage = on_stage
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Begin a stage, which lasts as long as the block."""
        self._on_stage(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
