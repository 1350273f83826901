"""OrderDP: of a random pool of samples, those of the highest losses."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["top_of_pool"]


def top_of_pool(
    losses: Tensor, *, keep: float, explore: float = 0.5, generator: torch.Generator
) -> Tensor:
    """Draw a pool of s samples by chance, and keep the q of the highest losses: as published.

    With `s = round(explore·N)` and `q = round(keep·N)`, training on what stays follows, without
    bias, the gradient of a surrogate loss in which the j-th highest of the N losses weighs

        w_j = Σ_l C(j - 1, l - 1)·C(N - j, s - l) / C(N, s),   l = 1 … q,

    its chance to be kept. The published default trains on 0.3 of the samples out of a pool of 0.5.

    Args:
        losses: `(N,)`, floats, each sample's last known loss, as of when it was last trained on;
            infinite or NaN where it is unknown: such a sample stays before others of its pool.
        keep: q as a share of N, in [0, explore].
        explore: s as a share of N, in (0, 1]; with 1, the top q of all.
        generator: on the CPU, whatever the losses' device.

    Returns:
        kept `(N,)`, bool, exactly `round(keep·N)` of them true.

    Raises:
        InvalidValueError: for a share out of range.

    Source: Jin et al., OrderDP (ICLR 2026), arXiv 2606.08574; shengze-xu/OrderDP.

    Examples:
        >>> losses = torch.tensor([0.1, 3.0, 0.2, 2.0])
        >>> top_of_pool(losses, keep=0.5, explore=1, generator=torch.Generator())
        tensor([False,  True, False,  True])
    """
    if not 0 <= keep <= explore <= 1:
        raise InvalidValueError(
            f"keep, explore: expected 0 <= keep <= explore <= 1, got {keep}, {explore}"
        )
    total = len(losses)
    order = torch.randperm(total, generator=generator).to(losses.device)
    drawn = order[: round(explore * total)]
    top = drawn[_highest_first(losses[drawn])[: round(keep * total)]]
    return torch.zeros_like(losses, dtype=torch.bool).index_fill_(0, top, value=True)


def _highest_first(losses: Tensor) -> Tensor:
    """Sort places by loss, the unknown first; equal losses stay in the (random) order given."""
    return losses.nan_to_num(nan=torch.inf, posinf=torch.inf).argsort(descending=True, stable=True)
