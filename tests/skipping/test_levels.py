import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.skipping.levels import count_levels, draw_levels, flags_at, flags_of
from imprint.skipping.shares import even_shares, fill, shares_with_floor, top_shares


def chunks(levels, size=8):
    return lambda: iter(levels.split(size))


@given(
    levels=st.lists(st.integers(0, 255), min_size=1, max_size=200),
    shares=st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=9),
    part=st.floats(0, 1),
    seed=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_a_draw_keeps_exactly_its_count_whatever_the_shares(levels, shares, part, seed):
    levels = torch.tensor(levels, dtype=torch.uint8)
    table = torch.tensor(shares).repeat(256)[:256]
    count = round(part * len(levels))
    bits = draw_levels(chunks(levels), table, count, torch.Generator().manual_seed(seed))
    kept = flags_of(bits, len(levels))
    assert kept.sum() == count
    assert flags_at(bits, torch.arange(len(levels))).equal(kept)


def test_a_level_is_kept_as_often_as_its_share_says():
    levels = torch.arange(4000) % 4
    shares = torch.tensor([0.0, 0.2, 0.7, 1.0]).repeat(64)
    kept = torch.zeros(4000)
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        kept += flags_of(draw_levels(chunks(levels.byte(), 512), shares, 1900, generator), 4000)
    rates = kept.view(1000, 4).mean(0) / 200
    assert torch.allclose(rates, shares[:4], atol=0.005)
    each = kept.view(1000, 4) / 200  # no sample is favoured over another of its level
    assert (each - shares[:4]).abs().max() < 5 * (0.25 / 200) ** 0.5


def test_the_draw_does_not_depend_on_the_size_of_its_pieces_but_for_its_numbers():
    levels = torch.randint(256, (999,), generator=torch.Generator().manual_seed(0)).byte()
    shares = torch.rand(256, generator=torch.Generator().manual_seed(1))
    count = int(shares[levels.int()].sum())
    one, other = (
        draw_levels(chunks(levels, size), shares, count, torch.Generator().manual_seed(2))
        for size in (999, 1000)
    )
    assert torch.equal(one, other)


@given(
    counts=st.lists(st.integers(0, 50), min_size=256, max_size=256).filter(any),
    part=st.floats(0.01, 1),
)
@settings(max_examples=60, deadline=None)
def test_shares_sum_to_the_count_and_stay_within_0_and_1(counts, part):
    counts = torch.tensor(counts)
    count = max(1, round(part * int(counts.sum())))
    weights = torch.logspace(-6, 2, 256)
    for shares in (fill(counts, weights, count), top_shares(counts, count)):
        assert 0 <= shares.min() <= shares.max() <= 1
        assert abs(float((shares * counts).sum()) - count) < 1e-6 * counts.sum()


def test_shares_are_in_proportion_to_the_weights_below_1():
    counts = torch.full((256,), 10)
    counts[255] = 0
    weights = torch.linspace(1, 10, 256)
    shares = fill(counts, weights, 500)
    free = shares < 1
    ratio = (shares / weights)[free]
    assert ratio.max() - ratio.min() < 1e-9
    assert weights[free].max() <= weights[~free].min()


def test_the_control_loads_each_level_alike():
    counts = torch.arange(256)
    counts[255] = 0
    assert even_shares(counts, 1000)[:255].unique().numel() == 1


def test_without_a_floor_the_classes_share_one_rule():
    counts = torch.randint(9, (3, 256), generator=torch.Generator().manual_seed(0))
    table = shares_with_floor(top_shares, counts, 1000, 0.0)
    assert torch.equal(table[0], top_shares(counts.sum(0), 1000))


def test_levels_are_counted_over_all_pieces():
    levels = torch.randint(256, (1000,), generator=torch.Generator().manual_seed(0)).byte()
    assert torch.equal(count_levels(chunks(levels, 64)), levels.bincount(minlength=256))
