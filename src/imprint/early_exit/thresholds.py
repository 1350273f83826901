"""Thresholds from strict to loose, chosen by what errors cost; pure functions."""

import torch
from torch import Tensor

from imprint.early_exit.routes import Outcomes

__all__ = ["finer", "thresholds_at"]

PARTS = 10
"""Steps from one row of thresholds to the next."""


def thresholds_at(outcomes: Outcomes, savings: Tensor, prices: Tensor) -> Tensor:
    """Choose each layer's threshold by what an error costs and what time an exit saves.

    The chance of a harm falls as the margin grows; it is estimated by isotonic regression. A layer
    answers where that is at most the price times the share of time that it saves, so that the last
    harm costs as many seconds at one layer as at another. (Gains are left out: to take them off
    would open an exit at once wherever they are as many, and be too loose a first step.)

    Args:
        outcomes: of N samples.
        savings: `(L,)`, the share of the network's time that an answer at each layer saves.
        prices: `(P,)`, harms for all of a network's time, each at least 0.

    Returns:
        `(P, L)`, infinity where a layer is never sure enough.

    Source: Barlow et al. (1972) for isotonic regression, by pooling adjacent violators.

    Examples:
        >>> margins, right = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[0, 1, 0, 1]])
        >>> outcomes = Outcomes(margins, right.bool(), torch.ones(4).bool())
        >>> thresholds_at(outcomes, torch.tensor([0.5]), torch.tensor([0.1, 1.0]))
        tensor([[3.5000],
                [1.5000]])
    """
    harms = (outcomes.full_right & ~outcomes.right).double()
    columns = [
        _lowest(margins, own, saving * prices)
        for margins, own, saving in zip(outcomes.margins, harms, savings, strict=True)
    ]
    return torch.stack(columns, dim=1)


def finer(thresholds: Tensor, margins: Tensor) -> Tensor:
    """Put small steps between closed exits and the first row of thresholds, and each two rows.

    Thresholds are tested from strict to loose up to the first that fails. A large step may fail
    where half of it would have held.

    Args:
        thresholds: `(P, L)`, from strict to loose.
        margins: `(L, N)`, of the samples that chose them; a tenth of those that a row admits more
            than the one before is a step.

    Returns:
        `(1 + 10·P, L)`, at most, from strict to loose and without repetitions.

    Examples:
        >>> margins = torch.arange(0.0, 100.0)[None]
        >>> finer(torch.tensor([[79.5]]), margins)[:3].T  # admits 20, which makes 2 a step
        tensor([[   inf, 97.5000, 95.5000]])
    """
    columns = []
    for column, own in zip(thresholds.T, margins, strict=True):
        falling = own[own.isfinite()].sort(descending=True).values
        admitted = (falling >= column[:, None]).sum(1, dtype=torch.float64)
        before = torch.cat([admitted.new_zeros(1), admitted[:-1]])
        parts = torch.arange(1, PARTS + 1) / PARTS
        counts = (before[:, None] + (admitted - before)[:, None] * parts).flatten().round().long()
        columns.append(_admitting(falling)[torch.cat([counts.new_zeros(1), counts])])
    steps: Tensor = torch.unique_consecutive(torch.stack(columns, dim=1), dim=0)
    return steps


def _lowest(margins: Tensor, harms: Tensor, limits: Tensor) -> Tensor:
    """The lowest margin from which the chance of a harm is at most each limit."""
    known = margins.isfinite()
    order = margins[known].argsort(descending=True)
    within = torch.searchsorted(_rising(harms[known][order]), limits.double(), right=True)
    return _admitting(margins[known][order])[within]


def _admitting(falling: Tensor) -> Tensor:
    """Thresholds that admit 0, 1, … M of the margins `(M,)`, the largest first, `(M + 1,)`."""
    # half-way to the next margin, so that no rounding decides about the last one
    below = falling[-1:] - 0.001 * falling[-1:].abs()
    between = torch.cat([(falling[:-1] + falling[1:]) / 2, below])
    return torch.cat([falling.new_tensor([torch.inf]), between])


def _rising(values: Tensor) -> Tensor:
    """The closest sequence, by squares, that never falls: pool adjacent violators."""
    blocks: list[tuple[float, int]] = []  # sum, length
    for value in values.tolist():
        total, length = value, 1
        while blocks and blocks[-1][0] * length > total * blocks[-1][1]:
            before, many = blocks.pop()
            total, length = total + before, length + many
        blocks.append((total, length))
    if not blocks:
        return values
    means = torch.tensor([total / length for total, length in blocks], dtype=torch.float64)
    return means.repeat_interleave(torch.tensor([length for _, length in blocks]))
