"""Selective backprop: after a forward pass, rows of high loss are likelier to be trained on."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.rules import draw

__all__ = ["rank_weights", "select"]


def rank_weights(losses: Tensor, *, keep: float) -> Tensor:
    """Weigh each row by the percentile of its loss: `((rank + 1/2) / B) ** (1 / keep - 1)`.

    Ranks go from 0, the lowest loss. The published chance is `percentile(loss) ** β`; its mean over
    all percentiles is `1 / (β + 1)`, so that `β = 1 / keep - 1` keeps a share `keep` on average.

    Args:
        losses: `(B,)`, floats, of the same forward pass; NaN ranks highest.
        keep: the share of rows to keep, in (0, 1].

    Returns:
        `(B,)`, float64, in (0, 1], on the CPU.

    Raises:
        InvalidValueError: for a share out of range.

    Source: Jiang et al., Accelerating Deep Learning by Focusing on the Biggest Losers (2019),
        arXiv 1910.00762; percentiles within the batch, as in MosaicML's Composer, and not within
        the last losses of all batches.

    Examples:
        >>> rank_weights(torch.tensor([0.1, 9.0]), keep=0.5)  # β = 1
        tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    if not 0 < keep <= 1:
        raise InvalidValueError(f"keep: expected a share in (0, 1], got {keep}")
    total = len(losses)
    percentiles = (torch.arange(total, dtype=torch.float64) + 0.5) / max(total, 1)
    weights = torch.empty_like(percentiles)
    weights[losses.argsort(stable=True).cpu()] = percentiles ** (1 / keep - 1)
    return weights


def select(losses: Tensor, *, count: int, generator: torch.Generator) -> Tensor:
    """Draw the rows to backpropagate: a row's chance rises with the rank of its loss.

    Exactly `count` rows are drawn without replacement, each next one with a chance in proportion to
    `rank_weights`, as in MosaicML's Composer. Composer does so on every other batch only, between
    0.5 and 0.9 of the training; the paper draws a coin for each row, on all batches.

    Args:
        losses: `(B,)`, floats, of the same forward pass; NaN ranks highest.
        count: rows to keep, in 1 … B.
        generator: on the CPU, whatever the losses' device.

    Returns:
        `(count,)`, int64, ascending.

    Raises:
        InvalidValueError: for a count out of range.

    Source: Jiang et al., Accelerating Deep Learning by Focusing on the Biggest Losers (2019);
        mosaicml/composer, `select_using_loss`.

    Examples:
        >>> losses = torch.arange(100.0)
        >>> rows = select(losses, count=10, generator=torch.Generator().manual_seed(0))
        >>> len(rows), bool(losses[rows].mean() > losses.mean())
        (10, True)
    """
    total = len(losses)
    if not 1 <= count <= total:
        raise InvalidValueError(f"count: expected 1 … {total}, the rows of the batch; got {count}")
    weights = rank_weights(losses, keep=count / total)
    return draw(weights, count, generator).to(losses.device)
