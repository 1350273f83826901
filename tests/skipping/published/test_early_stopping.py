import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.early_stopping import mastered


def column(*losses):
    return torch.tensor(losses)[:, None]


def test_by_hand():
    history = torch.tensor(
        [
            [1.0, 0.50, 0.50, 0.0, 2.0],
            [0.5, 0.25, 0.25, 0.0, 1.0],
            [0.0, 0.25, 0.125, 0.0, 4.0],
        ]
    )  # second differences of 0, 0.25, 0.125, 0 and 4
    assert mastered(history, delta=0.125).tolist() == [True, False, True, True, False]
    assert mastered(history, delta=0).tolist() == [True, False, False, True, False]


def test_a_high_loss_that_does_not_move_is_mastered_all_the_same():
    assert mastered(column(7.0, 7.0, 7.0)).all()


def test_of_a_longer_history_the_mean_magnitude_counts():
    history = column(0.0, 0.0, 0.3, 0.0, 0.0)  # second differences of 0.3, -0.6 and 0.3
    assert not mastered(history, delta=0.39).any()
    assert mastered(history, delta=0.41).all()


@pytest.mark.parametrize("epoch", range(3))
@pytest.mark.parametrize("unknown", [torch.inf, torch.nan])
def test_what_is_unknown_is_never_mastered(epoch, unknown):
    history = torch.zeros(3, 1)
    history[epoch] = unknown
    assert not mastered(history, delta=1e30).any()
    assert not mastered(torch.full((3, 1), unknown), delta=1e30).any()


@given(
    history=st.lists(st.lists(st.floats(0, 10), min_size=4, max_size=4), min_size=3, max_size=6),
    delta=st.floats(1e-5, 5),
)
def test_follows_a_naive_loop(history, delta):
    means = []
    for losses in zip(*history, strict=True):
        bends = [
            abs(c - 2 * b + a) for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)
        ]
        means.append(math.fsum(bends) / len(bends))
    found = mastered(torch.tensor(history, dtype=torch.float64), delta=delta).tolist()
    for mean, one in zip(means, found, strict=True):
        assert one == (mean <= delta) or mean == pytest.approx(delta, rel=1e-9)


def test_wrong_arguments_are_named():
    for history in (torch.zeros(2, 5), torch.zeros(3)):
        with pytest.raises(InvalidValueError, match=r"history: expected \(E, N\)"):
            mastered(history)
    for delta in (-1e-9, float("nan")):
        with pytest.raises(InvalidValueError, match="delta: expected at least 0"):
            mastered(torch.zeros(3, 2), delta=delta)
