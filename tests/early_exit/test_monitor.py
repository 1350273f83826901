import math

import numpy as np
import pytest
import torch

from imprint.early_exit.monitor import BINS, BLOCK, DriftMonitor, ranks_among
from imprint.errors import InvalidValueError


def draws(seed, count, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, generator=generator) * scale + shift


def test_ranks_are_evenly_spread_where_nothing_has_moved():
    ranks = ranks_among(draws(0, 20000)[0], draws(1, 5000)[0].sort().values, torch.Generator())
    shares = ranks.mul(10).long().bincount(minlength=10) / 20000
    assert ((shares - 0.1).abs() < 0.02).all()


def test_ties_are_broken_by_chance():
    ranks = ranks_among(torch.ones(5000), torch.ones(100), torch.Generator().manual_seed(0))
    assert 0.45 < ranks.mean() < 0.55
    assert ranks.std() > 0.25


def naive_capitals(bins):
    """The bets of one game, one at a time, in logarithms."""
    counts, capital, course = [0] * BINS, 0.0, []
    for k in bins:
        capital += math.log(BINS * (counts[k] + 0.5) / (sum(counts) + BINS / 2))
        counts[k] += 1
        course.append(capital)
    return course


def test_the_bets_are_those_of_a_loop():
    reference = torch.linspace(0, 1, 1001)[None]
    monitor = DriftMonitor(reference)
    scores = torch.rand(1, 120, generator=torch.Generator().manual_seed(0)) ** 2
    monitor.watch(scores)
    bins = np.minimum((scores[0].double() * BINS).long().numpy(), BINS - 1)
    near = naive_capitals(bins)[-1]
    assert float(monitor._capital[0, 0]) == pytest.approx(near, abs=1.5)  # ties at the bins' edges


@pytest.mark.parametrize(
    "moved", [{"shift": 0.7}, {"shift": -0.7}, {"scale": 0.4}, {"scale": 2.0}], ids=str
)
def test_a_move_is_told_within_500_samples(moved):
    for seed in range(10):
        monitor = DriftMonitor(draws(99, 3000))
        assert not monitor.watch(draws(seed, 1000))
        assert monitor.watch(draws(100 + seed, 500, **moved))


def test_false_alarms_are_rare():
    """Each stream of 10,000 has its own calibration: 1 % of 100 streams, and what chance adds."""
    alarms = sum(
        DriftMonitor(draws(1000 + seed, 3000)).watch(draws(seed, 10_000)) for seed in range(100)
    )
    assert alarms <= 4


def test_an_alarm_stays_until_it_is_reset():
    monitor = DriftMonitor(draws(0, 1000))
    assert monitor.watch(draws(1, BLOCK, shift=3.0))
    assert monitor.watch(draws(2, 5))
    monitor.reset()
    assert not monitor.alarmed
    assert not monitor.watch(draws(3, 500))


def test_nan_is_a_move():
    monitor = DriftMonitor(draws(0, 1000))
    assert monitor.watch(torch.full((2, 200), torch.nan))


def test_batches_do_not_matter():
    one, other = DriftMonitor(draws(0, 1000)), DriftMonitor(draws(0, 1000))
    scores = draws(1, 300)
    one.watch(scores)
    for part in scores.split(7, dim=1):
        other.watch(part)
    assert one.seen == other.seen == 300


@pytest.mark.parametrize(
    ("reference", "options", "message"),
    [
        (torch.zeros(2, 10), {}, r"reference: expected \(S, M\), M at least 20; got \(2, 10\)"),
        (torch.zeros(300), {}, r"reference: expected .* got \(300,\)"),
        (torch.zeros(1, 300), {"false_alarms": 1}, r"false_alarms: expected one in \(0, 1\)"),
    ],
)
def test_mistakes_are_told(reference, options, message):
    with pytest.raises(InvalidValueError, match=message):
        DriftMonitor(reference, **options)
