"""Whether data have moved since calibration: bets against it that pay only if they have."""

import math
from threading import Lock

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.early_exit.heads import margins
from imprint.errors import InvalidValueError
from imprint.shares import check_share

__all__ = ["DriftMonitor", "drift_scores", "ranks_among"]

BINS = 10
"""Equal shares of the calibration's scores, between which bets are placed."""

BLOCK = 250
"""Samples after which a series of games begins anew; a second one begins half-way, so that a change
is met early by one of the two."""

HALF = BLOCK // 2

FEWEST = 20
"""Calibrating samples; with so few only a great change is told."""

MOST = 20_000
"""Scores that are kept to rank among; beyond, a tenth of them holds a tenth of what is to come but
for so little that no bet wins by it."""


def drift_scores(logits: Tensor) -> Tensor:
    """Give what a monitor watches at an exit: how sure its answers are, and how strong.

    Args:
        logits: `(N, K)`, of the first exit's head.

    Returns:
        `(2, N)`: the margin, and the logarithm of the sum of exponentials.

    Source: Liu et al. (2020), "Energy-based out-of-distribution detection", for the latter.

    Examples:
        >>> drift_scores(torch.tensor([[0.0, 2.0]]))
        tensor([[2.0000],
                [2.1269]])
    """
    return torch.stack([margins(logits), logits.logsumexp(1)])


def ranks_among(scores: Tensor, reference: Tensor, generator: torch.Generator) -> Tensor:
    """Rank scores among those of calibration and those that came before, ties broken by chance.

    Where data have not moved, the ranks are evenly spread and independent (conformal p-values).

    Args:
        scores: `(N,)`, in their order, no NaN.
        reference: `(M,)`, ascending.
        generator: breaks ties.

    Returns:
        `(N,)`, float64, in (0, 1).

    Source: Vovk, Gammerman & Shafer (2005), "Algorithmic learning in a random world".

    Examples:
        >>> ranks = ranks_among(torch.tensor([0.5, 9.0]), torch.arange(100.0), torch.Generator())
        >>> ranks.round(decimals=1)
        tensor([0.0000, 0.1000], dtype=torch.float64)
    """
    scores, count = scores.to(reference), len(scores)
    below = torch.searchsorted(reference, scores)
    ties = torch.searchsorted(reference, scores, right=True) - below
    earlier = torch.ones(count, count, dtype=torch.bool).tril(-1)
    below += ((scores[None] < scores[:, None]) & earlier).sum(1)
    ties += ((scores[None] == scores[:, None]) & earlier).sum(1)
    drawn = torch.rand(count, generator=generator, dtype=torch.float64)
    return (below + drawn * (ties + 1)) / (len(reference) + torch.arange(count) + 1)


class DriftMonitor:
    """Watches whether scores still come from where calibration's came from.

    Each score is ranked among those of calibration and all that came since. Were nothing changed,
    the ranks would be evenly spread and independent, and no strategy could win by betting on where
    the next one falls. The monitor bets on what it has seen more of, and grows rich where ranks
    gather. By Ville's inequality a fair game multiplies its stake by c with a chance of at most
    1/c, which sets the limit.

    Args:
        reference: `(S, M)`, S scores of each of M calibrating samples.
        false_alarms: chance of a false alarm in 10,000 samples, at most, in (0, 1).

    Attributes:
        alarmed: whether data have moved; stays so until `reset`.
        seen: samples so far.

    Raises:
        InvalidValueError: for a value out of range, or a reference that is too small to rank among.

    Source: Vovk (2021), "Testing randomness online"; Krichevsky & Trofimov (1981) for the bets.

    Examples:
        >>> calm = torch.rand(1, 2000, generator=torch.Generator().manual_seed(0))
        >>> monitor = DriftMonitor(calm)
        >>> monitor.watch(calm[:, :300]), monitor.watch(torch.full((1, 100), 0.99))
        (False, True)
    """

    def __init__(self, reference: Tensor, *, false_alarms: float = 0.01) -> None:
        if reference.ndim != 2 or reference.shape[1] < FEWEST or not reference.shape[0]:
            got = tuple(reference.shape)
            raise InvalidValueError(f"reference: expected (S, M), M at least {FEWEST}; got {got}")
        check_share("false_alarms", false_alarms)
        self._reference = _known(reference).sort(dim=1).values.contiguous()
        games = 2 * len(reference) * 10_000 / BLOCK
        self._limit = math.log(games / false_alarms)
        self._generator = torch.Generator().manual_seed(0)
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Begin anew, as after calibration."""
        self.alarmed = False
        self.seen = 0
        self._past = self._reference
        self._counts = torch.zeros(2, len(self._reference), BINS, dtype=torch.float64)
        self._capital = torch.zeros(2, len(self._reference), dtype=torch.float64)

    def watch(self, scores: Tensor) -> bool:
        """Take in the scores of further samples, in their order.

        Args:
            scores: `(S, N)`; NaN ranks last.

        Returns:
            Whether data have moved.

        Raises:
            InvalidValueError: for another shape.
        """
        if scores.ndim != 2 or len(scores) != len(self._reference):
            expected, got = f"({len(self._reference)}, N)", tuple(scores.shape)
            raise InvalidValueError(f"scores: expected {expected}, got {got}")
        own = _known(scores)
        with self._lock:
            while own.shape[1]:
                until_anew = HALF - self.seen % HALF
                self._bet(self._bins(own[:, :until_anew]))
                own = own[:, until_anew:]
            return self.alarmed

    def watch_exit(self, number: int, logits: Tensor) -> bool:
        """Take in what an exit says of samples: of the first one, through which all come.

        Args:
            number: of the exit, from 0.
            logits: `(N, K)`, of its head.

        Returns:
            Whether data have moved.

        Examples:
            >>> monitor = DriftMonitor(torch.rand(2, 100))
            >>> monitor.watch_exit(1, torch.zeros(5, 10)), monitor.seen
            (False, 0)
        """
        return self.watch(drift_scores(logits)) if number == 0 else self.alarmed

    def _bins(self, scores: Tensor) -> Tensor:
        """Rank scores and take them in: `(S, N)`, int64, the tenths in which the ranks fall."""
        ranks = [
            ranks_among(own, past, self._generator)
            for own, past in zip(scores, self._past, strict=True)
        ]
        if self._past.shape[1] < MOST:
            self._past = torch.cat([self._past, scores], dim=1).sort(dim=1).values
        return (torch.stack(ranks) * BINS).long().clamp(max=BINS - 1)

    def _bet(self, bins: Tensor) -> None:
        """Bet on samples in turn, each time as the game's own past tells."""
        if self.seen % HALF == 0:  # one series of games begins anew, the other goes on
            series = self.seen // HALF % 2
            self._counts[series] = 0
            self._capital[series] = 0
        hits = F.one_hot(bins, BINS).double()  # (S, N, BINS)
        past = self._counts[:, :, None] + hits.cumsum(1) - hits
        expected = ((past * hits).sum(3) + 0.5) / (past.sum(3) + BINS / 2)
        course = self._capital[:, :, None] + (BINS * expected).log().cumsum(2)
        self._counts += hits.sum(1)
        self._capital = course[:, :, -1]
        self.seen += bins.shape[1]
        self.alarmed = self.alarmed or bool((course > self._limit).any())


def _known(scores: Tensor) -> Tensor:
    """Scores as numbers that can be ranked."""
    return scores.detach().cpu().double().nan_to_num(nan=torch.inf, posinf=torch.inf)
