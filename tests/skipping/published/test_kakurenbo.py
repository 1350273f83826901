import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.kakurenbo import fraction_at, hide, rate_factor


def test_by_hand():
    right_with = torch.tensor([0.99, 0.5, 0.71, 0.69, 0.9])
    losses = -right_with.log()
    for fraction, expected in (
        (0.2, [True, False, False, False, False]),
        (0.4, [True, False, False, False, True]),
        (0.6, [True, False, True, False, True]),
        (0.8, [True, False, True, False, True]),  # 0.69 moves back
    ):
        assert hide(losses, fraction=fraction).tolist() == expected
    assert hide(losses, fraction=0.8, confidence=0.6).tolist() == [True, False, True, True, True]


def test_the_loss_tells_what_logits_tell():
    """The method as written: of the lowest losses, those predicted rightly and with confidence."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(500, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (500,), generator=generator)
    losses = F.cross_entropy(logits, labels, reduction="none")
    confidence, predicted = logits.softmax(1).max(1)
    expected = torch.zeros(500, dtype=torch.bool)
    expected[losses.argsort()[:150]] = True
    expected &= (predicted == labels) & (confidence >= 0.7)
    assert 0 < expected.sum() < 150
    assert torch.equal(hide(losses, fraction=0.3), expected)


@given(
    losses=st.lists(
        st.floats(0, 3, width=32) | st.sampled_from([torch.inf, torch.nan]), max_size=30
    ),
    fraction=st.floats(0, 0.99),
)
def test_no_more_than_the_fraction_is_hidden_and_nothing_unknown(losses, fraction):
    losses = torch.tensor(losses)
    hidden = hide(losses, fraction=fraction)
    assert hidden.shape == losses.shape
    assert hidden.sum() <= fraction * len(losses) + 1e-6
    assert (losses[hidden] <= -math.log(0.7)).all()
    if hidden.any():
        assert not (losses[~hidden] < losses[hidden].max()).any()


def test_a_fraction_that_is_a_hair_below_a_whole_number_is_that_number():
    assert hide(torch.zeros(100), fraction=0.29).sum() == 29  # 0.29 * 100 < 29


def test_the_fraction_steps_down_as_published():
    epochs = [fraction_at(epoch / 90, fraction=0.4) for epoch in range(90)]
    expected = [0.4] * 30 + [0.32] * 30 + [0.24] * 20 + [0.16] * 10
    assert epochs == pytest.approx(expected)
    assert fraction_at(1, fraction=0.4) == pytest.approx(0.16)
    assert fraction_at(1.5, fraction=0.4) == pytest.approx(0.16)


def test_the_rate_makes_up_for_missing_steps():
    assert rate_factor(0) == 1
    assert rate_factor(0.5) == 2
    assert rate_factor(0.3) == pytest.approx(1 / 0.7)


@pytest.mark.parametrize("fraction", [-0.1, 1, float("nan")])
def test_a_fraction_out_of_range_is_named(fraction):
    for call in (
        lambda: hide(torch.ones(2), fraction=fraction),
        lambda: fraction_at(0.5, fraction=fraction),
        lambda: rate_factor(fraction),
    ):
        with pytest.raises(InvalidValueError, match=r"fraction: expected a share in \[0, 1\)"):
            call()


@pytest.mark.parametrize("confidence", [0.5, 1.1, float("nan")])
def test_a_confidence_that_does_not_imply_right_is_named(confidence):
    with pytest.raises(InvalidValueError, match="confidence: expected"):
        hide(torch.ones(2), fraction=0.5, confidence=confidence)
