import pytest
import torch

from imprint.skipping.permutation import permuted


def order(count, seed):
    return torch.cat(list(permuted(count, torch.Generator().manual_seed(seed))))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 255, 256, 257, 70_000, 600_000])
def test_each_place_comes_once(count):
    assert torch.equal(order(count, 1).sort().values, torch.arange(count))


def test_every_place_comes_first_as_often_as_any_other():
    """A chi-square test over the place of each of 8 numbers, in 4,000 orders."""
    seen = torch.zeros(8, 8)
    for seed in range(4000):
        seen[torch.arange(8), order(8, seed)] += 1
    chi_square = ((seen - 500).square() / 500).sum()
    assert chi_square < 90  # 49 degrees of freedom: 1 in 3,000 by chance


def test_neighbours_do_not_stay_together():
    gaps = order(100_000, 3).diff().abs()
    assert (gaps < 10).sum() < 60  # about 20 by chance
    assert abs(gaps.float().mean() / 100_000 - 1 / 3) < 0.01


def test_another_key_gives_another_order():
    assert (order(1000, 1) == order(1000, 2)).sum() < 10
