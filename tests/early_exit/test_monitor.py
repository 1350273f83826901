import math

import pytest
import torch

from imprint.early_exit import monitor as monitor_module
from imprint.early_exit.monitor import BINS, BLOCK, DriftMonitor, ranks_among
from imprint.errors import InvalidValueError


def draws(seed, count, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, generator=generator) * scale + shift


def test_ranks_are_evenly_spread_where_nothing_has_moved():
    ranks = ranks_among(draws(0, 4000)[0], draws(1, 5000)[0].sort().values, torch.Generator())
    shares = ranks.mul(10).long().bincount(minlength=10) / 4000
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
    generator = torch.Generator().manual_seed(0)
    bins = (ranks_among(scores[0], reference[0].double(), generator) * BINS).long().tolist()
    assert float(monitor._capital[0, 0]) == pytest.approx(naive_capitals(bins)[-1])


@pytest.mark.parametrize(
    "moved", [{"shift": 0.7}, {"shift": -0.7}, {"scale": 0.4}, {"scale": 2.0}], ids=str
)
def test_a_move_is_told_within_500_samples(moved):
    for seed in range(10):
        monitor = DriftMonitor(draws(99, 3000))
        assert not monitor.watch(draws(seed, 1000))
        assert monitor.watch(draws(100 + seed, 500, **moved))


def test_false_alarms_are_rare():
    """Each stream has its own small calibration: 0.4 % of 100 streams, and what chance adds."""
    alarms = sum(
        DriftMonitor(draws(1000 + seed, 50)).watch(draws(seed, 4000)) for seed in range(100)
    )
    assert alarms <= 3


def test_ranks_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 4, (30,), generator=generator).double()
    reference = torch.arange(4.0).double().repeat(5).sort().values
    ranks = ranks_among(scores, reference, torch.Generator().manual_seed(1))
    drawn = torch.rand(30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for k in range(30):
        past = torch.cat([reference, scores[:k]])
        below, ties = (past < scores[k]).sum(), (past == scores[k]).sum()
        assert float(ranks[k]) == pytest.approx(float(below + drawn[k] * (ties + 1)) / (21 + k))


def test_what_is_kept_of_a_long_stream_is_bounded(monkeypatch):
    monkeypatch.setattr(monitor_module, "MOST", 300)
    monitor = DriftMonitor(draws(0, 200))
    monitor.watch(draws(1, 1000))
    assert monitor._past.shape == (2, 325)
    monitor.reset()
    assert monitor._past.shape == (2, 200)


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
        (torch.zeros(1, 300), {"false_alarms": 1}, r"false_alarms: expected a value in \(0, 1\)"),
        (torch.zeros(1, 300), {"false_alarms": "x"}, r"false_alarms: expected .* got 'x'"),
    ],
)
def test_mistakes_are_told(reference, options, message):
    with pytest.raises(InvalidValueError, match=message):
        DriftMonitor(reference, **options)


def test_scores_of_another_shape_are_told():
    with pytest.raises(InvalidValueError, match=r"scores: expected \(2, N\), got \(3,\)"):
        DriftMonitor(draws(0, 100)).watch(torch.rand(3))
