"""What answers at an exit: a small head on features of a layer's maps."""

from collections.abc import Callable, Collection
from math import isqrt
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.signatures import signature

__all__ = [
    "FEATURES",
    "HEAD_KINDS",
    "Head",
    "HeadKind",
    "Hidden",
    "check_kinds",
    "features_of",
    "grid_means",
    "grid_places",
    "head_logits",
    "logits_of",
    "margins",
]

HeadKind = Literal["prototype", "probe", "mlp"]
"""Who answers: the nearest class prototype or a softmax regression on the signature, or a
multilayer perceptron on the means of a grid of places."""

HEAD_KINDS: tuple[HeadKind, ...] = get_args(HeadKind)

PLACES = 8
"""Places a side, over which maps are averaged, at most."""

ENTRIES = 2048
"""Of the means of all places, at most."""


class Hidden(NamedTuple):
    """A layer of rectified units.

    Attributes:
        weight: `(H, D)`, float32.
        bias: `(H,)`, float32.
    """

    weight: Tensor
    bias: Tensor


class Head(NamedTuple):
    """A map from features to logits, linear but for a layer of hidden units where it has one.

    Attributes:
        weight: `(K, D)`, float32, of features or `(K, H)` of hidden units.
        bias: `(K,)`, float32.
        kind: which says of what features.
        hidden: the hidden units.
    """

    weight: Tensor
    bias: Tensor
    kind: HeadKind = "probe"
    hidden: Hidden | None = None

    def to(self, device: torch.device) -> "Head":
        """Move it to a device.

        Args:
            device: where the maps are.

        Returns:
            The head there.
        """
        hidden = self.hidden and Hidden(*(own.to(device) for own in self.hidden))
        return Head(self.weight.to(device), self.bias.to(device), self.kind, hidden)


def grid_places(channels: int) -> int:
    """Say how many places a side maps are averaged over, at most.

    Args:
        channels: of the maps.

    Returns:
        8, or fewer where the means would be more than 2,048 entries, at least 1.

    Examples:
        >>> grid_places(16), grid_places(512)
        (8, 2)
    """
    return max(1, min(PLACES, isqrt(ENTRIES // channels)))


def grid_means(maps: Tensor) -> Tensor:
    """Average each channel over a grid of equal places, as many as `grid_places` allows.

    What is left over at the lower and right edge is left out, but for NaN and infinite values: an
    image of which the network knows nothing must not be answered early.

    Args:
        maps: `(N, C, H, W)`; tokens `(N, L, D)`, of which the grid has places in a row; or vectors.

    Returns:
        `(N, G·G'·C)`, place by place, `(N, D·G)` or `(N, D)`, float32, with G places a side.

    Examples:
        >>> grid_means(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 192])
    """
    if maps.ndim == 2:
        return maps.float()
    most = grid_places(maps.shape[2] if maps.ndim == 3 else maps.shape[1])
    if maps.ndim == 3:
        side = -(-maps.shape[1] // most)
        means = F.avg_pool1d(maps.transpose(1, 2).float(), side).flatten(1)
        return _with_nan_of(means, [maps[:, maps.shape[1] // side * side :]])
    sides = [-(-size // most) for size in maps.shape[2:]]
    used_rows, used_columns = (n // s * s for n, s in zip(maps.shape[2:], sides, strict=True))
    # maps in channels-last layout lie so already, and are not copied
    means = F.avg_pool2d(maps.float(), sides).permute(0, 2, 3, 1).flatten(1)
    return _with_nan_of(means, [maps[:, :, used_rows:], maps[:, :, :, used_columns:]])


def _with_nan_of(features: Tensor, others: list[Tensor]) -> Tensor:
    """Features that are NaN where another part of the maps is not finite."""
    for part in others:
        if part.shape[1:].numel():
            features = features + (part.flatten(1).float() * 0).sum(1, keepdim=True)
    return features


def features_of(maps: Tensor, kind: HeadKind) -> Tensor:
    """Take what a head looks at.

    Args:
        maps: a layer's output.
        kind: of the head.

    Returns:
        `(N, D)`, float32.

    Examples:
        >>> maps = torch.ones(2, 3, 8, 8)
        >>> features_of(maps, "probe").shape, features_of(maps, "mlp").shape
        (torch.Size([2, 6]), torch.Size([2, 192]))
    """
    return FEATURES[kind](maps)


FEATURES: dict[HeadKind, Callable[[Tensor], Tensor]] = {
    "prototype": signature,
    "probe": signature,
    "mlp": grid_means,
}
"""What each kind of head looks at."""


def check_kinds(kinds: Collection[str]) -> None:
    """Check the names of kinds of heads.

    Args:
        kinds: the names.

    Raises:
        InvalidValueError: for one that is unknown, or none.

    Examples:
        >>> check_kinds(["best"])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: kind: expected prototype, probe, mlp, got 'best'
    """
    unknown = [kind for kind in kinds if kind not in HEAD_KINDS]
    if unknown or not kinds:
        got = repr(unknown[0]) if unknown else "none"
        raise InvalidValueError(f"kind: expected {', '.join(HEAD_KINDS)}, got {got}")


def head_logits(maps: Tensor, head: Head) -> Tensor:
    """Answer from a layer's maps.

    Args:
        maps: `(N, C, H, W)`, `(N, L, D)` or `(N, D)`.
        head: fitted to features of this layer, on the same device.

    Returns:
        Logits `(N, K)`, float32; NaN where the maps hold NaN.

    Examples:
        >>> head = Head(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2))
        >>> head_logits(torch.tensor([[[[1.0, -3.0]]]]), head)
        tensor([[2., 1.]])
    """
    return logits_of(features_of(maps, head.kind), head)


def logits_of(features: Tensor, head: Head) -> Tensor:
    """Answer from features.

    Args:
        features: `(N, D)`, floats, of the head's own sort.
        head: fitted to such, on the same device.

    Returns:
        Logits `(N, K)`.

    Examples:
        >>> hidden = Hidden(torch.tensor([[1.0], [-1.0]]), torch.zeros(2))
        >>> head = Head(torch.eye(2), torch.zeros(2), "mlp", hidden)
        >>> logits_of(torch.tensor([[3.0], [-4.0]]), head)
        tensor([[3., 0.],
                [0., 4.]])
    """
    features = features.to(head.weight.dtype)
    if head.hidden is not None:
        features = F.linear(features, head.hidden.weight, head.hidden.bias).relu()
    return F.linear(features, head.weight, head.bias)


def margins(logits: Tensor) -> Tensor:
    """Say how sure answers are: by how much the highest logit leads the next one.

    Args:
        logits: `(N, K)`, K at least 2.

    Returns:
        `(N,)`, at least 0; NaN where a logit is NaN or both are infinite.

    Examples:
        >>> margins(torch.tensor([[1.0, 4.0, 3.5]]))
        tensor([0.5000])
    """
    highest = logits.topk(2, dim=1).values
    return highest[:, 0] - highest[:, 1]
