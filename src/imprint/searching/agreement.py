"""Why two images are similar: the channels whose part of the cosine is largest."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["Agreement", "channel_agreement", "strongest_agreement"]


class Agreement(NamedTuple):
    """The channels in which two signatures agree most.

    Attributes:
        channels: `(k,)`, int64, the strongest first.
        parts: `(k,)`, what each adds to the cosine similarity.
    """

    channels: Tensor
    parts: Tensor


def channel_agreement(left: Tensor, right: Tensor) -> Tensor:
    """Split the cosine of two signatures into what each channel adds to it.

    With both brought to length 1, channel i adds the product of its means and that of its
    deviations, `m_i m'_i + s_i s'_i`.

    Args:
        left: `(2C,)`, a signature in the order m_0, s_0, m_1, s_1, …
        right: likewise.

    Returns:
        `(C,)`, whose sum is the cosine similarity; zeros where either signature is.

    Raises:
        InvalidValueError: where they are not two signatures of the same length.

    Examples:
        >>> import torch
        >>> left, right = torch.tensor([3.0, 0.0, 0.0, 4.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
        >>> channel_agreement(left, right)
        tensor([0.6000, 0.0000])
    """
    if left.ndim != 1 or left.shape != right.shape or len(left) % 2 or not len(left):
        got = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise InvalidValueError(f"signatures: expected two of the same (2C,), got {got}")
    product = F.normalize(left.double(), dim=0) * F.normalize(right.double(), dim=0)
    return product.view(-1, 2).sum(1).float()


def strongest_agreement(left: Tensor, right: Tensor, *, k: int) -> Agreement:
    """Find the channels that add most to the cosine of two signatures.

    Args:
        left: `(2C,)`, a signature.
        right: likewise.
        k: how many, at most C are given.

    Returns:
        The channels and their parts.

    Examples:
        >>> import torch
        >>> left, right = torch.tensor([3.0, 0.0, 0.0, 4.0]), torch.tensor([1.0, 0.0, 0.0, 4.0])
        >>> strongest_agreement(left, right, k=1).channels
        tensor([1])
    """
    parts = channel_agreement(left, right)
    strongest = parts.topk(min(k, len(parts)))
    return Agreement(strongest.indices, strongest.values)
