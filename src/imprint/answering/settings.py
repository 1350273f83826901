"""How to answer early."""

from dataclasses import dataclass

from imprint.early_exit import HEAD_KINDS, HeadKind, Promise
from imprint.early_exit.checks import check_options
from imprint.errors import InvalidValueError
from imprint.shares import check_share

__all__ = ["ExitSettings"]


@dataclass(frozen=True, kw_only=True)
class ExitSettings:
    """How to answer early.

    Args:
        max_extra_error: the most by which the error may exceed the full network's, in (0, 1).
        confidence: with which that holds, in (0, 1).
        layers: where rows may leave; none looks for layers.
        head: who answers there: `auto`, `prototype`, `probe` or `mlp`.
        batch_size: images that run together, for which time is saved.
        max_overhead: share of the network's time that exits at several layers may cost where none
            of them answers, at least 0; None for no limit.
        measured_batches: the batch sizes at which time is measured, of those that there are
            images for.
        calibration_share: of the held-out images, which calibrate; the others measure, in (0, 1).
        seed: that draws these shares.

    Raises:
        InvalidValueError: for a value of another type, or out of its range.
        LayerError: for layers that are no names.

    Examples:
        >>> ExitSettings(head="best")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: head: expected auto, prototype, probe, mlp, got 'best'
    """

    max_extra_error: float = 0.005
    confidence: float = 0.95
    layers: tuple[str, ...] = ()
    head: str = "auto"
    batch_size: int = 256
    max_overhead: float | None = None
    measured_batches: tuple[int, ...] = (1, 32, 256)
    calibration_share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        self.promise.check()
        check_options(
            self.layers, HEAD_KINDS, 0.5, self.batch_size, self.seed, max_overhead=self.max_overhead
        )
        if self.head not in ("auto", *HEAD_KINDS):
            expected = ", ".join(("auto", *HEAD_KINDS))
            raise InvalidValueError(f"head: expected {expected}, got {self.head!r}")
        check_share("calibration_share", self.calibration_share)
        sizes = self.measured_batches
        if not sizes or not all(isinstance(size, int) and size >= 1 for size in sizes):
            raise InvalidValueError(f"measured_batches: expected at least 1, got {sizes}")

    @property
    def promise(self) -> Promise:
        """What is to hold."""
        return Promise(self.max_extra_error, self.confidence)

    @property
    def kinds(self) -> tuple[HeadKind, ...]:
        """The kinds of heads that are tried."""
        return tuple(kind for kind in HEAD_KINDS if self.head in ("auto", kind))
