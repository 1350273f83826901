"""InfoBatch: some of what is learned better than the average is left out, the rest weighs more."""

import math

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["prune"]

ROUNDING = 1e-9


def prune(losses: Tensor, *, ratio: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Leave out a share of the samples whose loss is below the mean; those kept of them weigh more.

    With H the losses, r the ratio and L the samples of `H < mean(H)`, exactly `⌊(1 - r)·|L|⌋` of L
    stay, drawn by chance, and each weighs `1 / (1 - r)`: the sum of weighted gradients is, in
    expectation, that of all samples. Samples outside L all stay and weigh 1.

    The paper drops each sample of L with probability r; its authors' code draws an exact share, and
    so does this. Their code starts with a loss of 3 for all and counts it in the mean; here what is
    not known stays, and is left out of the mean. It holds r at 0.9 or below; that is for the caller
    to do, as is its last part: after 87.5 % of the epochs, nothing is left out.

    Args:
        losses: `(N,)`, floats, each sample's last known loss; infinite or NaN where it is unknown.
        ratio: r, in [0, 1); the published default is 0.5.
        generator: on the CPU, whatever the losses' device.

    Returns:
        kept `(N,)`, bool, and weights `(N,)`, float32: 1 also for samples that are left out.

    Raises:
        InvalidValueError: for a ratio out of range.

    Source: Qin et al., InfoBatch (ICLR 2024), arXiv 2303.04947; NUS-HPC-AI-Lab/InfoBatch.

    Examples:
        >>> losses = torch.tensor([0.1, 0.1, 5.0, 0.1, torch.inf, 0.1])
        >>> kept, weights = prune(losses, ratio=0.5, generator=torch.Generator().manual_seed(0))
        >>> kept.sum(), kept[2], kept[4], weights.unique()
        (tensor(4), tensor(True), tensor(True), tensor([1., 2.]))
    """
    if not 0 <= ratio < 1:
        raise InvalidValueError(f"ratio: expected a share in [0, 1), got {ratio}")
    known = losses.isfinite()
    learned = (losses < losses[known].mean()).nonzero()[:, 0]
    # (1 - 0.8)·5 is a hair below 1 in floats, and means 1.
    count = math.floor((1 - ratio) * len(learned) + ROUNDING)
    order = torch.randperm(len(learned), generator=generator).to(losses.device)
    kept = torch.ones_like(known)
    kept[learned[order[count:]]] = False
    weights = torch.ones_like(losses, dtype=torch.float32)
    weights[learned[order[:count]]] = 1 / (1 - ratio)
    return kept, weights
