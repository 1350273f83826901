from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from imprint.data.excerpts import excerpt_starts, usual_seconds

LENGTHS = st.floats(0.05, 5_000)


@given(duration=LENGTHS, seconds=st.floats(0.05, 600), count=st.none() | st.integers(1, 20))
def test_excerpts_lie_within_the_track_and_do_not_overlap(duration, seconds, count):
    starts = excerpt_starts(duration, seconds, count)
    slack = 1e-5 * max(duration, seconds)
    assert starts[0] >= 0
    assert all(later - earlier >= seconds - slack for earlier, later in pairwise(starts))
    if duration >= seconds:
        assert starts[-1] + seconds <= duration + slack
    fitting = max(1, int(duration / seconds + 1e-6))
    assert len(starts) == (fitting if count is None else min(count, fitting))


@given(duration=LENGTHS, seconds=st.floats(0.05, 600), count=st.integers(1, 9))
def test_excerpts_are_spread_evenly(duration, seconds, count):
    starts = excerpt_starts(duration, seconds, count)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert all(gap == pytest.approx(gaps[0]) for gap in gaps)
    if duration >= seconds:  # as much is left at the end as at the beginning
        assert starts[0] == pytest.approx(duration - starts[-1] - seconds, abs=1e-6 * duration)


@pytest.mark.parametrize(
    ("durations", "seconds"), [([], 15), ([400, 9, 300], 15), ([2, 3, 100], 3), ([0.5], 0.5)]
)
def test_the_usual_length_is_that_of_short_files(durations, seconds):
    assert usual_seconds(durations) == seconds
