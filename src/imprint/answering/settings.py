"""How to answer early."""

from dataclasses import dataclass

from imprint.early_exit import HEAD_KINDS, HeadKind, Promise
from imprint.errors import InvalidValueError

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
        measured_batches: the batch sizes at which time is measured.
        calibration_share: of the held-out images, which calibrate; the others measure, in (0, 1).
        seed: that draws these shares.

    Raises:
        InvalidValueError: for a value out of its range.

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
    measured_batches: tuple[int, ...] = (1, 32, 256)
    calibration_share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        self.promise.check()
        if self.head not in ("auto", *HEAD_KINDS):
            expected = ", ".join(("auto", *HEAD_KINDS))
            raise InvalidValueError(f"head: expected {expected}, got {self.head!r}")
        if not 0 < self.calibration_share < 1:
            got = self.calibration_share
            raise InvalidValueError(f"calibration_share: expected one in (0, 1), got {got}")
        for name, values in (
            ("batch_size", (self.batch_size,)),
            ("measured_batches", self.measured_batches),
        ):
            if not values or min(values) < 1:
                raise InvalidValueError(f"{name}: expected at least 1, got {values}")

    @property
    def promise(self) -> Promise:
        """What is to hold."""
        return Promise(self.max_extra_error, self.confidence)

    @property
    def kinds(self) -> tuple[HeadKind, ...]:
        """The kinds of heads that are tried."""
        return tuple(kind for kind in HEAD_KINDS if self.head in ("auto", kind))
