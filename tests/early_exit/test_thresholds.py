import math
from itertools import groupby, pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from imprint.early_exit.routes import Outcomes, first_exits
from imprint.early_exit.thresholds import _admitting, _rising, finer, thresholds_at

from .conftest import drawn


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_isotonic_regression_agrees_with_scikit_learn(values):
    expected = IsotonicRegression().fit_transform(np.arange(len(values)), values)
    np.testing.assert_allclose(_rising(torch.tensor(values)).numpy(), expected, atol=1e-9)


def test_a_higher_price_opens_the_exits_further_and_a_later_layer_less():
    outcomes = drawn()
    alike = Outcomes(
        outcomes.margins[:1].expand(2, -1), outcomes.right[:1].expand(2, -1), outcomes.full_right
    )
    prices = torch.tensor([0.0, 0.1, 1.0])
    thresholds = thresholds_at(alike, torch.tensor([0.8, 0.2]), prices)
    assert (thresholds[1:] <= thresholds[:-1]).all()
    assert (thresholds[:, 0] <= thresholds[:, 1]).all()


def test_within_a_threshold_harms_are_what_it_costs():
    outcomes = drawn(samples=4000)
    threshold = thresholds_at(outcomes, torch.ones(3), torch.tensor([0.02]))[0]
    for k in range(3):
        at_limit = outcomes.margins[k] >= threshold[k]
        harms = outcomes.full_right[at_limit] & ~outcomes.right[k, at_limit]
        assert harms.double().mean() <= 0.02  # the last admitted costs as much, the others less


def test_what_is_not_known_is_never_sure():
    margins = torch.tensor([[torch.nan, torch.inf, 1.0]])
    assert first_exits(margins, torch.tensor([1.0])).tolist() == [1, 0, 0]
    assert first_exits(margins, torch.tensor([torch.inf])).tolist() == [1, 0, 1]
    outcomes = Outcomes(margins, torch.tensor([[True, True, True]]), torch.ones(3).bool())
    threshold = thresholds_at(outcomes, torch.ones(1), torch.ones(1))
    assert 0.99 < float(threshold) < 1.0  # below the lowest that is known


def test_finer_steps_admit_a_tenth_more_each():
    generator = torch.Generator().manual_seed(0)
    margins = torch.rand(2, 500, generator=generator)
    margins[0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])  # are not known
    asked = torch.tensor([[0.9, torch.inf], [0.5, 0.7]])
    steps = finer(asked, margins)
    admitted = (torch.where(margins.isfinite(), margins, -1.0) >= steps[:, :, None]).sum(2)
    expected = []
    for layer in range(2):
        known = margins[layer][margins[layer].isfinite()]
        ends = [0, *((known >= own).sum().item() for own in asked[:, layer])]
        counts = [0]
        for low, high in pairwise(ends):
            counts += [round(low + (high - low) * k / 10) for k in range(1, 11)]
        expected.append(counts)
    naive = [rows for rows, _ in groupby(zip(*expected, strict=True))]
    assert [tuple(rows) for rows in admitted.tolist()] == naive
    assert (steps[1:] <= steps[:-1]).all()
    assert steps[0].isinf().all()


@given(st.integers(0, 60), st.integers(0, 60))
def test_finer_steps_come_by_the_rows_that_were_given(strict, more):
    margins = torch.arange(0.0, 121.0)[None]
    rows = torch.tensor([[120.5 - strict], [120.5 - strict - more]])
    steps = finer(rows, margins)
    counts = (margins >= steps).sum(1).tolist()
    assert counts[0] == 0
    assert counts[-1] == strict + more
    assert strict in counts
    assert max(b - a for a, b in pairwise([0, *counts])) <= math.ceil(max(strict, more) / 10)


def test_finer_steps_leave_a_layer_closed_of_which_nothing_is_known():
    margins = torch.tensor([[torch.nan, torch.nan], [1.0, 2.0]])
    steps = finer(torch.tensor([[torch.inf, 0.5]]), margins)
    assert steps[:, 0].isinf().all()
    assert (margins[1] >= steps[-1, 1]).all()


def test_the_loosest_threshold_admits_all_whatever_the_sign():
    for falling in ([2.0, 1.0], [-1.0, -2.0], [1e-4 - 2.3, -2.3], [1.0, 0.0]):
        margins = torch.tensor(falling)
        admitted = (margins >= _admitting(margins)[:, None]).sum(1)
        assert admitted[:2].tolist() == [0, 1]
        assert admitted[2] == 2
