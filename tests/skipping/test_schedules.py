import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping import count_steps, keep_at

ratios = st.floats(0, 1)


def test_schedule_is_dense_at_its_ends():
    values = [keep_at(i / 10, keep=0.3, dense_start=0.1, dense_end=0.2) for i in range(10)]
    assert values == [1.0] + [0.3] * 7 + [1.0] * 2
    assert keep_at(0, keep=0.3) == 0.3
    whole = [keep_at(i / 10, keep=0.3, dense_start=0.3, dense_end=0.7) for i in range(10)]
    assert whole == [1.0] * 10  # though 3 / 10 < 1 - 0.7
    few = [keep_at(i / 10, keep=0.3, dense_start=0.1 * 3) for i in range(10)]
    assert few == [1.0] * 3 + [0.3] * 7  # though 0.1 * 3 > 3 / 10
    for arguments in (
        {"keep": 0},
        {"keep": 1.2},
        {"keep": 0.5, "dense_start": -1},
        {"keep": 0.5, "dense_end": 2},
    ):
        with pytest.raises(InvalidValueError, match=list(arguments)[-1]):
            keep_at(0.5, **arguments)


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(1, 600), ratios, ratios)
def test_steps_lie_between_full_batches_and_as_many_as_ever(kept, more, size, few, many):
    total, few, many = kept + more, *sorted((few, many))
    counts = [
        count_steps(kept, total=total, batch_size=size, shrink=shrink) for shrink in (few, many)
    ]
    assert 1 <= max(1, kept // size - 1) <= counts[0] <= counts[1] <= max(1, total // size)
    assert kept // counts[1] >= min(2, size, kept)  # the smallest step


@pytest.mark.parametrize(("shrink", "steps"), [(0.0, 93), (0.5, 156), (1.0, 260)])
def test_a_third_of_a_set(shrink, steps):
    assert count_steps(12_000, total=33_400, batch_size=128, shrink=shrink) == steps
