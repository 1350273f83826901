import math

import pytest

from imprint.intervals import interval


def test_an_interval_is_students():
    stats = pytest.importorskip("scipy.stats")
    for values in ([1.0, 2.0], [0.1, 0.5, 0.2, 0.9, 0.4], [float(k) ** 0.5 for k in range(14)]):
        middle, low, high = interval(values)
        error = stats.sem(values)
        expected = stats.t.interval(0.95, len(values) - 1, loc=middle, scale=error)
        half = (expected[1] - expected[0]) / 2
        assert (low, high) == pytest.approx(expected, abs=1e-3 * half)


def test_one_value_has_no_interval():
    middle, low, high = interval([0.5])
    assert middle == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
