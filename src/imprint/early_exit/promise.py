"""A promise on accuracy from a finite sample: does the extra error stay below a limit?

Of each held-out sample it is known whether the full network is right and whether the early answer
is. A *harm* is a sample that only the full network gets right, a *gain* one that only the early
answer does; the extra error is the chance of a harm less that of a gain.
"""

from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imprint.early_exit.extra import special_functions
from imprint.shares import check_share

__all__ = ["Promise", "Tally", "error_p_value", "samples_needed", "steps_that_hold"]

SPENT = 0.1
"""Share of the error probability that is spent on how often the two answers differ in rightness."""

RATES = 50
"""How many such rates are tried within their interval."""

OUTSIDE = 1e-9
"""Probability that sums may leave out; it is added to a p-value."""


class Promise(NamedTuple):
    """What is to hold on data like the held-out ones.

    Attributes:
        max_extra_error: the most by which the error may grow over the full network's, in (0, 1).
        confidence: with which it holds, over the draw of the held-out data, in (0, 1).
    """

    max_extra_error: float = 0.005
    confidence: float = 0.95

    def check(self) -> None:
        """Check the values.

        Raises:
            InvalidValueError: for one out of its range.
        """
        for name, value in self._asdict().items():
            check_share(name, value)


class Tally(NamedTuple):
    """What held-out samples say.

    Attributes:
        harms: samples that only the full network gets right.
        gains: samples that only the early answer gets right.
        samples: all of them.
    """

    harms: int
    gains: int
    samples: int

    @property
    def extra_error(self) -> float:
        """The share of samples by which the early answers are worse; below 0 they are better."""
        return (self.harms - self.gains) / self.samples


def error_p_value(tally: Tally, promise: Promise) -> float:
    """Test whether the extra error lies at the limit or above it.

    The test is exact. Were the extra error at the limit or above, the harms and gains seen, or
    some that speak as much against it by Tango's score, would come about with at most this
    probability. How often the two answers differ in rightness is not known: the worst rate counts,
    out of a Clopper-Pearson interval that is paid for with a tenth of the error probability.

    Args:
        tally: harms, gains and samples.
        promise: the limit; the confidence sets the interval.

    Returns:
        The p-value, in (0, 1]: a small one speaks for an extra error below the limit.

    Raises:
        MissingExtraError: without `imprint[exits]`.

    Source: Clopper & Pearson (1934); Berger & Boos (1994) for the interval; Tango (1998) for the
    score; Sidik (2003), "Exact unconditional tests for testing non-inferiority in matched-pairs
    design".

    Examples:
        >>> error_p_value(Tally(11, 10, 2000), Promise(0.005, 0.95)) < 0.05
        True
        >>> error_p_value(Tally(20, 10, 2000), Promise(0.005, 0.95)) < 0.05  # at the limit
        False
    """
    limit, spent = promise.max_extra_error, SPENT * (1 - promise.confidence)
    harms, gains, samples = tally
    highest = _upper_rate(harms + gains, samples, spent)
    if highest <= limit:  # harms alone differ as often as that
        return spent
    rates = np.linspace(limit, highest, RATES)
    differing = np.arange(_most(samples, highest) + 1)
    most_harms = _as_extreme(tally, differing, limit)
    chances = _chances(most_harms, differing, samples, rates, limit)
    return min(1.0, float(chances.max()) + spent + OUTSIDE)


def _upper_rate(count: int, samples: int, error: float) -> float:
    """Clopper and Pearson's upper limit."""
    if count >= samples:
        return 1.0
    return float(special_functions().betaincinv(count + 1, samples - count, 1 - error))


def _most(samples: int, rate: float) -> int:
    """A count that a binomial one passes with a negligible chance, by Bernstein's inequality."""
    log = -np.log(OUTSIDE)
    mean, variance = samples * rate, samples * rate * (1 - rate)
    return min(samples, int(np.ceil(mean + log / 3 + np.sqrt(log**2 / 9 + 2 * log * variance))))


def _as_extreme(tally: Tally, differing: NDArray[np.int64], limit: float) -> NDArray[np.int64]:
    """For each number of differing samples the most harms that speak as much for the limit."""
    observed = _score(np.array([tally.harms]), np.array([tally.gains]), tally.samples, limit)
    below, above = np.full(len(differing), -1), differing + 1
    while (above - below).max() > 1:  # the score rises with the harms among so many
        harms = (below + above) // 2
        extreme = _score(harms, differing - harms, tally.samples, limit) <= observed + 1e-9
        below, above = np.where(extreme, harms, below), np.where(extreme, above, harms)
    return below


def _score(
    harms: NDArray[np.int64], gains: NDArray[np.int64], samples: int, limit: float
) -> NDArray[np.float64]:
    """Tango's score: how far the harms lie above what the limit lets expect, in deviations."""
    b = -harms - gains + (2 * samples - harms + gains) * limit
    root = np.sqrt(b**2 + 8 * samples * gains * limit * (1 - limit))
    rate_of_gains = np.maximum(root - b, 0) / (4 * samples)
    deviation = np.sqrt(samples * (2 * rate_of_gains + limit * (1 - limit)))
    return np.asarray((harms - gains - samples * limit) / deviation)


def _chances(
    most_harms: NDArray[np.int64],
    differing: NDArray[np.int64],
    samples: int,
    rates: NDArray[np.float64],
    limit: float,
) -> NDArray[np.float64]:
    """The chance, for each rate, of at most so many harms among those that differ."""
    special = special_functions()
    below = special.bdtr(differing, samples, rates[:, None])
    chance = np.diff(below, axis=1, prepend=0)
    share = np.minimum((rates + limit) / (2 * rates), 1)[:, None]  # of harms among them
    within = np.where(most_harms >= 0, special.bdtr(most_harms, differing, share), 0)
    return np.asarray((chance * within).sum(axis=1))


def steps_that_hold(tallies: Iterable[Tally], promise: Promise) -> int:
    """Go from strict thresholds to loose ones for as long as the promise holds.

    The first step whose test fails ends it; so one error probability serves for all steps,
    whatever their number (fixed sequence testing).

    Args:
        tallies: of each step, the strictest first; the steps must not depend on these samples.
        promise: the limit and the confidence.

    Returns:
        How many steps hold.

    Source: Angelopoulos et al. (2021), "Learn then test", section 3.

    Examples:
        >>> steps_that_hold([Tally(0, 0, 900), Tally(9, 0, 900), Tally(0, 0, 900)], Promise())
        1
    """
    error = 1 - promise.confidence
    return sum(1 for _ in takewhile(lambda own: error_p_value(own, promise) <= error, tallies))


def samples_needed(promise: Promise) -> int:
    """Say how many held-out samples a promise takes where not one of them speaks against it.

    Args:
        promise: the limit and the confidence.

    Returns:
        The least number.

    Examples:
        >>> 500 < samples_needed(Promise(0.005, 0.95)) < 700
        True
    """
    error = 1 - promise.confidence

    def enough(samples: int) -> bool:
        return error_p_value(Tally(0, 0, samples), promise) <= error

    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
