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
    "first_exits",
    "join_outcomes",
    "tally_of",
]


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
        margins, right, full_right = self
        if layers is not None:
            margins, right = margins[layers], right[layers]
        if samples is not None:
            margins, right = margins[:, samples], right[:, samples]
            full_right = full_right[samples]
        return Outcomes(margins, right, full_right)


class Costs(NamedTuple):
    """Seconds of one sample in a full batch, and which of them do not shrink with the batch.

    Attributes:
        layers: `(L,)`, to each layer's maps.
        heads: `(L,)`, to answer at each, and to let some of the rows go on.
        whole: of the whole network.
        fixed: `(L + 1,)`, those to each layer and to the end that a batch takes however few its
            rows, a share of `layers` and `whole`; None for none.
        batch_size: rows that run together.
        idle: `(L,)`, to answer at each where no row is sure enough to leave; None for unknown.
    """

    layers: Tensor
    heads: Tensor
    whole: float
    fixed: Tensor | None = None
    batch_size: int = 1
    idle: Tensor | None = None

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
        idle = None if self.idle is None else self.idle[layers]
        return self._replace(
            layers=self.layers[layers], heads=self.heads[layers], fixed=fixed, idle=idle
        )

    def overhead(self, layers: list[int]) -> float:
        """Say what exits cost where none of them answers.

        Args:
            layers: their numbers.

        Returns:
            The share of the network's time; 0 where that is unknown.

        Examples:
            >>> costs = Costs(torch.ones(2), torch.ones(2), 4.0, idle=torch.tensor([0.1, 0.3]))
            >>> round(costs.overhead([0, 1]), 2)
            0.1
        """
        return 0.0 if self.idle is None else float(self.idle[layers].sum()) / self.whole

    def behind(self, seconds: float) -> "Costs":
        """Put an exit before all layers; it counts as no overhead.

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
            idle=None if self.idle is None else torch.cat([start, self.idle]),
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
