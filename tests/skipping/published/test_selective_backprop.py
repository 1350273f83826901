from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.selective_backprop import rank_weights, select


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_weights_by_hand():
    losses = torch.tensor([5.0, 0.1, 2.0, 9.0])  # percentiles of 5/8, 1/8, 3/8, 7/8
    by_hand = torch.tensor([5 / 8, 1 / 8, 3 / 8, 7 / 8], dtype=torch.float64)
    torch.testing.assert_close(rank_weights(losses, keep=0.5), by_hand)
    torch.testing.assert_close(rank_weights(losses, keep=0.25), by_hand**3)
    assert rank_weights(losses, keep=1).eq(1).all()


@pytest.mark.parametrize("keep", [0.1, 0.25, 0.5, 0.8])
def test_the_mean_chance_is_the_share_to_keep(keep):
    chances = rank_weights(torch.rand(10_000, generator=seeded()), keep=keep)
    assert chances.mean().item() == pytest.approx(keep, abs=1e-4)


def test_pairs_are_drawn_in_proportion_one_after_the_other():
    losses = torch.tensor([0.3, 0.1, 0.2, 0.4])
    weights = rank_weights(losses, keep=0.5).tolist()
    generator, times = seeded(), 8000
    counts = torch.zeros(4)
    for _ in range(times):
        counts[select(losses, count=2, generator=generator)] += 1
    expected = torch.zeros(4)
    for first, second in permutations(range(4), 2):
        left = sum(weights) - weights[first]
        chance = weights[first] / sum(weights) * weights[second] / left
        expected[[first, second]] += chance
    torch.testing.assert_close(counts / times, expected, atol=0.025, rtol=0)


def test_a_row_without_a_number_ranks_highest():
    assert rank_weights(torch.tensor([torch.nan, 1.0, torch.inf]), keep=0.5).argmax() == 0


@given(losses=st.lists(st.floats(0, 100, width=32), min_size=1, max_size=40), data=st.data())
def test_exactly_the_count_in_order(losses, data):
    count = data.draw(st.integers(1, len(losses)))
    rows = select(torch.tensor(losses), count=count, generator=seeded()).tolist()
    assert len(rows) == count
    assert rows == sorted(set(rows))
    assert 0 <= rows[0] <= rows[-1] < len(losses)


def test_chance_comes_from_the_generator_alone():
    losses = torch.rand(64, generator=seeded(3))
    first = select(losses, count=20, generator=seeded(1))
    torch.rand(3)
    assert torch.equal(select(losses, count=20, generator=seeded(1)), first)
    assert first.dtype == torch.int64


def test_values_out_of_range_are_named():
    for count in (0, 4):
        with pytest.raises(InvalidValueError, match="count: expected 1 … 3"):
            select(torch.ones(3), count=count, generator=seeded())
    for keep in (0, 1.1):
        with pytest.raises(InvalidValueError, match="keep: expected"):
            rank_weights(torch.ones(3), keep=keep)
