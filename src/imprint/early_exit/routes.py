"""Where each sample is answered, and what that costs and gives; pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.early_exit.promise import Tally

__all__ = [
    "Costs",
    "Outcomes",
    "expected_seconds",
    "finer",
    "first_exits",
    "join_outcomes",
    "tally_of",
    "thresholds_at",
]


PARTS = 10
"""Steps from one row of thresholds to the next."""


class Outcomes(NamedTuple):
    """How answers of N samples come out at each of L layers.

    Attributes:
        margins: `(L, N)`, how sure each layer's answer is.
        right: `(L, N)`, bool, whether it is right.
        full_right: `(N,)`, bool, whether the full network is.
    """

    margins: Tensor
    right: Tensor
    full_right: Tensor

    def of(self, *, layers: list[int] | None = None, samples: Tensor | None = None) -> "Outcomes":
        """Take some layers, and some samples.

        Args:
            layers: their numbers; None for all.
            samples: `(M,)`, int64; None for all.

        Returns:
            Their outcomes.
        """
        rows = list(range(len(self.margins))) if layers is None else layers
        columns = torch.arange(len(self.full_right)) if samples is None else samples
        return Outcomes(
            self.margins[rows][:, columns],
            self.right[rows][:, columns],
            self.full_right[columns],
        )


class Costs(NamedTuple):
    """Seconds of one sample in a full batch, and which of them do not shrink with the batch.

    Attributes:
        layers: `(L,)`, to each layer's maps.
        heads: `(L,)`, to answer at each, and to let some of the rows go on.
        whole: of the whole network.
        fixed: `(L + 1,)`, those to each layer and to the end that a batch takes however few its
            rows, a share of `layers` and `whole`; None for none.
        batch_size: rows that run together.
    """

    layers: Tensor
    heads: Tensor
    whole: float
    fixed: Tensor | None = None
    batch_size: int = 1

    @property
    def ends(self) -> Tensor:
        """`(L + 1,)`: the seconds to each layer and to the end."""
        return torch.cat([self.layers, self.layers.new_tensor([self.whole])])

    @property
    def savings(self) -> Tensor:
        """`(L,)`: the share of the network's time that an answer at each layer saves."""
        return 1 - self.layers / self.whole

    def of(self, layers: list[int]) -> "Costs":
        """Take some layers.

        Args:
            layers: their numbers.

        Returns:
            Their costs.
        """
        fixed = None if self.fixed is None else self.fixed[[*layers, -1]]
        return self._replace(layers=self.layers[layers], heads=self.heads[layers], fixed=fixed)

    def behind(self, seconds: float) -> "Costs":
        """Put an exit before all layers.

        Args:
            seconds: to answer there.

        Returns:
            The costs with it.

        Examples:
            >>> Costs(torch.tensor([1.0]), torch.tensor([0.5]), 4.0).behind(0.25).heads
            tensor([0.2500, 0.5000])
        """
        start = torch.zeros(1)
        return self._replace(
            layers=torch.cat([start, self.layers]),
            heads=torch.cat([start + seconds, self.heads]),
            fixed=None if self.fixed is None else torch.cat([start, self.fixed]),
        )


def join_outcomes(parts: Sequence[Outcomes]) -> Outcomes:
    """Put the outcomes of several batches together.

    Args:
        parts: of the same layers, at least one.

    Returns:
        Those of all their samples, in order.

    Examples:
        >>> one = Outcomes(torch.ones(2, 3), torch.ones(2, 3).bool(), torch.ones(3).bool())
        >>> join_outcomes([one, one]).margins.shape
        torch.Size([2, 6])
    """
    return Outcomes(
        torch.cat([own.margins for own in parts], dim=1),
        torch.cat([own.right for own in parts], dim=1),
        torch.cat([own.full_right for own in parts]),
    )


def first_exits(margins: Tensor, thresholds: Tensor) -> Tensor:
    """Say where each sample is answered: at the first layer that is sure enough.

    Args:
        margins: `(L, N)`.
        thresholds: `(L,)`; infinity closes an exit.

    Returns:
        `(N,)`, int64, the layer's number, L for the network's end. NaN is never sure.

    Examples:
        >>> margins = torch.tensor([[1.0, 3.0, 0.0], [2.0, 9.0, float("nan")]])
        >>> first_exits(margins, torch.tensor([2.5, 1.5]))
        tensor([1, 0, 2])
    """
    sure = margins >= thresholds[:, None]
    beyond = torch.ones(1, margins.shape[1], dtype=torch.bool, device=margins.device)
    return torch.cat([sure, beyond]).int().argmax(0)


def tally_of(outcomes: Outcomes, exits: Tensor) -> Tally:
    """Count harms and gains.

    Args:
        outcomes: of N samples.
        exits: `(N,)`, where each is answered.

    Returns:
        The counts.

    Examples:
        >>> right = torch.tensor([[False, True, False]])
        >>> outcomes = Outcomes(torch.zeros(1, 3), right, torch.tensor([True, False, True]))
        >>> tally_of(outcomes, torch.tensor([0, 0, 1]))
        Tally(harms=1, gains=1, samples=3)
    """
    all_right = torch.cat([outcomes.right, outcomes.full_right[None]])
    early = all_right.gather(0, exits[None])[0]
    harms, gains = outcomes.full_right & ~early, early & ~outcomes.full_right
    return Tally(int(harms.sum()), int(gains.sum()), len(exits))


def expected_seconds(exits: Tensor, costs: Costs) -> float:
    """Predict the seconds of a sample, on average.

    Args:
        exits: `(N,)`, where each is answered.
        costs: of each layer and head.

    Returns:
        The mean: each sample pays for the network up to its exit and for all heads up to there,
        and what a stretch of the network costs however few the rows is paid by the batch, where
        one of its samples comes so far.

    Examples:
        >>> costs = Costs(torch.tensor([1.0]), torch.tensor([0.5]), 4.0)
        >>> expected_seconds(torch.tensor([0, 1]), costs)  # 1.5 and 4.5
        3.0
        >>> halves = costs._replace(fixed=torch.tensor([0.5, 2.0]), batch_size=100)
        >>> expected_seconds(torch.tensor([0, 1]), halves)  # the last 1.5 fixed ones are paid
        3.75
    """
    count = len(costs.layers)
    coming = (exits.cpu()[None] >= torch.arange(count + 1)[:, None]).double().mean(1)
    any_comes = 1 - (1 - coming) ** costs.batch_size
    stretches = costs.ends.diff(prepend=torch.zeros(1))
    fixed = torch.zeros(count + 1) if costs.fixed is None else costs.fixed
    fixed = fixed.diff(prepend=torch.zeros(1))
    seconds = fixed * any_comes + (stretches - fixed) * coming
    return float(seconds.sum() + (costs.heads * coming[:count]).sum())


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


def _lowest(margins: Tensor, harms: Tensor, limits: Tensor) -> Tensor:
    """The lowest margin from which the chance of a harm is at most each limit."""
    known = margins.isfinite()
    order = margins[known].argsort(descending=True)
    within = torch.searchsorted(_rising(harms[known][order]), limits.double(), right=True)
    return _admitting(margins[known][order])[within]


def _admitting(falling: Tensor) -> Tensor:
    """Thresholds that admit 0, 1, … M of the margins `(M,)`, the largest first, `(M + 1,)`."""
    # half-way to the next margin, so that no rounding decides about the last one
    between = torch.cat([(falling[:-1] + falling[1:]) / 2, 0.999 * falling[-1:]])
    return torch.cat([falling.new_tensor([torch.inf]), between])


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
