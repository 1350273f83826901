from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.orderdp import top_of_pool

LOSSES = st.lists(
    st.floats(0, 100, width=32) | st.sampled_from([torch.inf, torch.nan]), max_size=40
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def chance(j, n, s, q):
    """That the j-th highest of n losses is in the top q of a random pool of s, as published."""
    ways = sum(comb(j - 1, place - 1) * comb(n - j, s - place) for place in range(1, q + 1))
    return ways / comb(n, s)


def frequencies(draw, n, times=6000):
    """How often each rank, the highest first, is kept of losses in a scrambled order."""
    order = torch.randperm(n, generator=seeded(7))
    losses, generator = -order.float(), seeded()
    counts = sum(draw(losses, generator).float() for _ in range(times))
    return (counts / times)[order.argsort()]


def test_one_pool_keeps_each_rank_as_often_as_published():
    observed = frequencies(lambda x, g: top_of_pool(x, keep=0.3, explore=0.5, generator=g), 10)
    expected = torch.tensor([chance(j, n=10, s=5, q=3) for j in range(1, 11)])
    assert expected.sum() == pytest.approx(3)
    torch.testing.assert_close(observed, expected, atol=0.025, rtol=0)


def test_of_one_pool_with_all_samples_the_highest_stay():
    losses = torch.tensor([0.2, torch.inf, 3.0, 0.1, 2.0])
    expected = [False, True, True, False, False]
    kept = top_of_pool(losses, keep=0.4, explore=1, generator=seeded())
    assert kept.tolist() == expected


def test_equal_losses_are_kept_by_chance():
    generator = seeded()
    draws = [
        top_of_pool(torch.zeros(6), keep=0.5, explore=1, generator=generator) for _ in range(4000)
    ]
    share = torch.stack(draws).float().mean(0)
    torch.testing.assert_close(share, torch.full((6,), 0.5), atol=0.03, rtol=0)


@given(losses=LOSSES, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_one_pool_keeps_exactly_the_share(losses, shares):
    keep, explore = shares
    losses = torch.tensor(losses)
    kept = top_of_pool(losses, keep=keep, explore=explore, generator=seeded())
    assert kept.sum() == round(keep * len(losses))


@pytest.mark.parametrize(("keep", "explore"), [(0.6, 0.5), (0.5, 1.1), (-0.1, 0.5)])
def test_shares_of_one_pool_out_of_range_are_named(keep, explore):
    with pytest.raises(InvalidValueError, match="keep, explore: expected"):
        top_of_pool(torch.ones(3), keep=keep, explore=explore, generator=seeded())
