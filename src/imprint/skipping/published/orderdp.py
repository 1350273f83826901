"""OrderDP: of random pools of samples, those of the highest losses."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["top_of_one_pool", "top_of_pools"]


def top_of_one_pool(
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
        >>> top_of_one_pool(losses, keep=0.5, explore=1, generator=torch.Generator())
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


def top_of_pools(losses: Tensor, *, keep: float, pool: int, generator: torch.Generator) -> Tensor:
    """Deal all samples into random pools, and keep the highest losses of each pool.

    OrderDP draws one pool of s samples and keeps its top q; the rest of the data waits. Here the
    draw is done with all of the data: each of the disjoint pools is, on its own, a random subset of
    size s = `pool` of which the top q ≈ `keep·pool` stay, so that the union follows the same
    surrogate loss as OrderDP with that s and q. What differs is that the pools are disjoint, and
    large s: OrderDP's own pool is half of the data. A pool of N keeps the top of all, one of 1
    keeps by chance.

    Pools differ in size by one at most, and so do their shares: `round(keep·N)` is dealt out by
    rounding its running sum down.

    Args:
        losses: `(N,)`, floats, each sample's last known loss; infinite or NaN where it is unknown:
            such a sample stays before others of its pool.
        keep: the share of the samples that stay, in [0, 1].
        pool: samples in a pool, at most; at least 1.
        generator: on the CPU, whatever the losses' device.

    Returns:
        kept `(N,)`, bool, exactly `round(keep·N)` of them true.

    Raises:
        InvalidValueError: for a value out of range.

    Source: after Jin et al., OrderDP (ICLR 2026), arXiv 2606.08574.

    Examples:
        >>> kept = top_of_pools(torch.rand(10), keep=0.3, pool=5, generator=torch.Generator())
        >>> kept.sum()
        tensor(3)
    """
    if not 0 <= keep <= 1:
        raise InvalidValueError(f"keep: expected a share in [0, 1], got {keep}")
    if pool < 1:
        raise InvalidValueError(f"pool: expected at least 1 sample, got {pool}")
    total, count = len(losses), round(keep * len(losses))
    pools = -(-total // pool)
    bounds = torch.arange(pools + 1) * total // max(pools, 1)
    shares = (bounds * count // max(total, 1)).diff()
    order = torch.randperm(total, generator=generator)
    # The k-th place of the deal belongs to this pool, and is the pool's rank-th highest.
    pool_of = torch.arange(pools).repeat_interleave(bounds.diff())
    highest = _highest_first(losses.cpu()[order])
    by_pool = highest[pool_of[highest].argsort(stable=True)]
    rank = torch.arange(total) - bounds[:-1][pool_of]
    top = order[by_pool[rank < shares[pool_of]]].to(losses.device)
    return torch.zeros_like(losses, dtype=torch.bool).index_fill_(0, top, value=True)


def _highest_first(losses: Tensor) -> Tensor:
    """Sort places by loss, the unknown first; equal losses stay in the (random) order given."""
    return losses.nan_to_num(nan=torch.inf, posinf=torch.inf).argsort(descending=True, stable=True)
