"""Where a run stands, and what its epoch has done so far."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["EpochCounts", "Progress"]


class Progress(NamedTuple):
    """Where a run stands after an optimizer step.

    Attributes:
        run: `plain` or `skip`.
        epoch: from 0.
        step: within the epoch, from 1.
        steps: of the epoch.
        loss: the mean loss of the rows that stayed, in nats.
        trained: images trained in this epoch so far.
        skipped: images skipped in this epoch so far.
    """

    run: str
    epoch: int
    step: int
    steps: int
    loss: float
    trained: int
    skipped: int


@dataclass
class EpochCounts:
    """Sums over an epoch.

    Args:
        left_out: images that a plan does not load.
        loss: loss times images trained.
        loaded: images brought to the network.
        forwarded: images that ran forward; twice, where a rule looks at them first.
        trained: images that ran backward.

    Examples:
        >>> counts = EpochCounts(left_out=6)
        >>> counts.add(0.5, trained=2, loaded=4, forwarded=4)
        >>> counts.seen
        10
    """

    left_out: int
    loss: float = 0.0
    loaded: int = 0
    forwarded: int = 0
    trained: int = 0

    @property
    def seen(self) -> int:
        """Images that the epoch was about: those left out, and those loaded."""
        return self.left_out + self.loaded

    def add(self, loss: float, *, trained: int, loaded: int, forwarded: int) -> None:
        """Add a batch.

        Args:
            loss: the mean of what was trained.
            trained: likewise counts, as above.
            loaded: likewise.
            forwarded: likewise.
        """
        self.loss += loss * trained
        self.trained += trained
        self.loaded += loaded
        self.forwarded += forwarded

    def row(self, again: int) -> dict[str, float]:
        """Give what `result.json` has of the epoch.

        Args:
            again: images that were loaded and ran forward once more at its end.

        Returns:
            the mean loss and the counts.
        """
        return {
            "train_loss": self.loss / self.trained,
            "images_seen": self.seen,
            "images_loaded": self.loaded + again,
            "images_forwarded": self.forwarded + again,
            "images_trained": self.trained,
            "images_skipped": self.seen - self.trained,
        }
