import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, multinomial

from imprint.early_exit.promise import (
    Promise,
    Tally,
    _score,
    error_p_value,
    samples_needed,
    steps_that_hold,
)
from imprint.errors import InvalidValueError


def naive_p_value(tally, promise, rates=50):
    """Sum over every table of harms and gains that speaks as much against the limit."""
    limit, spent = promise.max_extra_error, 0.1 * (1 - promise.confidence)
    harms, gains, n = tally
    highest = beta.ppf(1 - spent, harms + gains + 1, n - harms - gains)
    if highest <= limit:
        return spent
    tables = np.array([(h, g, n - h - g) for h in range(n + 1) for g in range(n + 1 - h)])
    scores = _score(tables[:, 0], tables[:, 1], n, limit)
    observed = _score(np.array([harms]), np.array([gains]), n, limit)
    extreme = tables[scores <= observed + 1e-9]
    chances = [
        multinomial.pmf(extreme, n, [(rate + limit) / 2, (rate - limit) / 2, 1 - rate]).sum()
        for rate in np.linspace(limit, highest, rates)
    ]
    return max(chances) + spent


@pytest.mark.parametrize("tally", [(0, 0, 40), (1, 0, 40), (2, 3, 40), (4, 1, 30), (0, 5, 25)])
def test_agrees_with_a_sum_over_all_tables(tally):
    promise = Promise(0.1, 0.9)
    expected = naive_p_value(Tally(*tally), promise)
    assert error_p_value(Tally(*tally), promise) == pytest.approx(min(expected, 1), abs=1e-6)


def test_of_harms_alone_it_is_close_to_clopper_and_pearson():
    promise = Promise(0.02, 0.95)
    own = error_p_value(Tally(3, 0, 600), promise)
    exact = binom.cdf(3, 600, 0.02)
    assert exact <= own <= 2 * exact + 0.1 * 0.05 + 1e-6


@pytest.mark.parametrize(("limit", "gain_rate"), [(0.01, 0.0), (0.02, 0.03)])
def test_at_the_limit_it_is_small_as_seldom_as_it_says(limit, gain_rate):
    promise, samples = Promise(limit, 0.95), 800
    generator = np.random.default_rng(0)
    rates = [gain_rate + limit, gain_rate, 1 - 2 * gain_rate - limit]
    draws = generator.multinomial(samples, rates, size=2000)
    tallies, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    wrong = sum(
        int(count)
        for (harms, gains), count in zip(tallies, counts, strict=True)
        if error_p_value(Tally(int(harms), int(gains), samples), promise) <= 0.05
    )
    assert wrong / 2000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@given(
    harms=st.integers(0, 40),
    gains=st.integers(0, 40),
    samples=st.integers(100, 2000),
    limit=st.sampled_from([0.003, 0.01, 0.05]),
)
def test_more_harms_and_fewer_gains_speak_less_for_the_promise(harms, gains, samples, limit):
    promise = Promise(limit, 0.95)
    own = error_p_value(Tally(harms, gains, samples), promise)
    assert 0 < own <= 1
    assert error_p_value(Tally(harms + 1, gains, samples), promise) >= own - 1e-6


def test_no_fewer_samples_would_do():
    promise = Promise(0.01, 0.95)
    needed = samples_needed(promise)
    assert error_p_value(Tally(0, 0, needed), promise) <= 0.05
    assert error_p_value(Tally(0, 0, needed - 1), promise) > 0.05


def test_the_first_step_that_fails_ends_the_sequence():
    good, bad = Tally(0, 0, 2000), Tally(30, 0, 2000)
    assert steps_that_hold([good, good, bad, good], Promise()) == 2
    assert steps_that_hold([bad, good], Promise()) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 0.95), "max_extra_error: expected a value in .* got 0.0"),
        ((5, 0.95), "max_extra_error: expected a value in .* got 5"),
        ((0.005, 1.0), "confidence: expected a value in .* got 1.0"),
        ((float("nan"), 0.9), "max_extra_error: expected .* got nan"),
    ],
)
def test_values_out_of_range(values, message):
    with pytest.raises(InvalidValueError, match=message):
        Promise(*values).check()
