"""How to look at a network."""

from dataclasses import dataclass

from imprint.counts import check_count
from imprint.errors import InvalidValueError

__all__ = ["SeeSettings"]


@dataclass(frozen=True, kw_only=True)
class SeeSettings:
    """How to look at a network.

    Args:
        layers: names out of `model.named_modules()`, each once; None for all that put out maps, and
            for the top patches the last of each resolution.
        channels: whose top patches are shown, of each of the named layers; None for the strongest.
        images: how many are looked at, at most, spread evenly over all; None for all.
        ways: how many images are shown on their whole way, at least 1.
        strongest: how many channels a layer have their top patches shown, at least 1.
        patches: how many a channel, at least 1.
        covered: side in pixels of the patch that covers the image, for occlusion; None takes a
            sixth of the image's shorter side.
        batch_size: images that run together, at least 1.

    Raises:
        InvalidValueError: for a value out of its range.

    Examples:
        >>> SeeSettings(patches=0)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: patches: expected at least 1, got 0
    """

    layers: tuple[str, ...] | None = None
    channels: tuple[int, ...] | None = None
    images: int | None = None
    ways: int = 3
    strongest: int = 4
    patches: int = 9
    covered: int | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name in ("images", "ways", "strongest", "patches", "covered", "batch_size"):
            value = getattr(self, name)
            if value is not None:
                check_count(name, value)
        if self.channels is not None and (not self.channels or min(self.channels) < 0):
            got = list(self.channels)
            raise InvalidValueError(f"channels: expected numbers from 0, one at least; got {got}")
        if self.channels is not None and self.layers is None:
            got = list(self.channels)
            raise InvalidValueError(f"channels: expected none without a layer, got {got}")
