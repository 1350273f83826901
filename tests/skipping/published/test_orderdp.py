from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.orderdp import top_of_one_pool, top_of_pools

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
    observed = frequencies(lambda x, g: top_of_one_pool(x, keep=0.3, explore=0.5, generator=g), 10)
    expected = torch.tensor([chance(j, n=10, s=5, q=3) for j in range(1, 11)])
    assert expected.sum() == pytest.approx(3)
    torch.testing.assert_close(observed, expected, atol=0.025, rtol=0)


def test_pools_keep_each_rank_as_often_as_a_pool_that_it_is_in():
    observed = frequencies(lambda x, g: top_of_pools(x, keep=0.6, pool=5, generator=g), 10)
    expected = torch.tensor([chance(j, n=10, s=5, q=3) * 10 / 5 for j in range(1, 11)])
    torch.testing.assert_close(observed, expected, atol=0.025, rtol=0)


def test_of_one_pool_with_all_samples_the_highest_stay():
    losses = torch.tensor([0.2, torch.inf, 3.0, 0.1, 2.0])
    expected = [False, True, True, False, False]
    assert top_of_pools(losses, keep=0.4, pool=5, generator=seeded()).tolist() == expected
    assert top_of_pools(losses, keep=0.4, pool=99, generator=seeded()).tolist() == expected
    kept = top_of_one_pool(losses, keep=0.4, explore=1, generator=seeded())
    assert kept.tolist() == expected


def test_pools_of_one_keep_by_chance():
    observed = frequencies(lambda x, g: top_of_pools(x, keep=0.5, pool=1, generator=g), 4)
    torch.testing.assert_close(observed, torch.full((4,), 0.5), atol=0.025, rtol=0)


def test_equal_losses_are_kept_by_chance():
    for draw in (
        lambda g: top_of_pools(torch.zeros(6), keep=0.5, pool=3, generator=g),
        lambda g: top_of_one_pool(torch.zeros(6), keep=0.5, explore=1, generator=g),
    ):
        generator = seeded()
        share = sum(draw(generator).float() for _ in range(4000)) / 4000
        torch.testing.assert_close(share, torch.full((6,), 0.5), atol=0.03, rtol=0)


def test_each_pool_gives_its_share():
    # Two pools of three, the same in losses: whatever the deal, two of each stay.
    losses = torch.tensor([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    for seed in range(20):
        order = torch.randperm(6, generator=seeded(seed))
        kept = top_of_pools(losses, keep=2 / 3, pool=3, generator=seeded(seed))
        for pool in (order[:3], order[3:]):
            assert kept[pool].sum() == 2
            assert losses[pool][kept[pool]].min() >= losses[pool][~kept[pool]].max()


@given(losses=LOSSES, keep=st.floats(0, 1), pool=st.integers(1, 50), seed=st.integers(0, 99))
def test_exactly_the_share_stays_and_the_deal_is_fair(losses, keep, pool, seed):
    losses = torch.tensor(losses)
    n = len(losses)
    kept = top_of_pools(losses, keep=keep, pool=pool, generator=seeded(seed))
    assert kept.shape == (n,)
    assert kept.sum() == round(keep * n)
    order, pools = torch.randperm(n, generator=seeded(seed)), -(-n // pool)
    dealt = [order[n * i // pools : n * (i + 1) // pools] for i in range(pools)]
    known = losses.nan_to_num(nan=torch.inf, posinf=torch.inf)
    for rows in dealt:
        assert n // pools <= len(rows) <= pool
        assert abs(kept[rows].sum() - len(rows) * round(keep * n) / n) < 1
        if 0 < kept[rows].sum() < len(rows):
            assert known[rows][kept[rows]].min() >= known[rows][~kept[rows]].max()


@given(losses=LOSSES, shares=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_one_pool_keeps_exactly_the_share(losses, shares):
    keep, explore = shares
    losses = torch.tensor(losses)
    kept = top_of_one_pool(losses, keep=keep, explore=explore, generator=seeded())
    assert kept.sum() == round(keep * len(losses))


@pytest.mark.parametrize(
    ("keep", "pool", "name"), [(1.1, 2, "keep"), (-1, 2, "keep"), (1, 0, "pool")]
)
def test_values_out_of_range_are_named(keep, pool, name):
    with pytest.raises(InvalidValueError, match=f"{name}: expected"):
        top_of_pools(torch.ones(3), keep=keep, pool=pool, generator=seeded())


@pytest.mark.parametrize(("keep", "explore"), [(0.6, 0.5), (0.5, 1.1), (-0.1, 0.5)])
def test_shares_of_one_pool_out_of_range_are_named(keep, explore):
    with pytest.raises(InvalidValueError, match="keep, explore: expected"):
        top_of_one_pool(torch.ones(3), keep=keep, explore=explore, generator=seeded())
