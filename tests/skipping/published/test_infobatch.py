import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.published.infobatch import prune

NOT_KNOWN = [torch.inf, torch.nan]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_by_hand():
    losses = torch.tensor([1.0, 2.0, 3.0, 4.0, 10.0])  # their mean is 4: three lie below
    kept, weights = prune(losses, ratio=1 / 3, generator=seeded())
    assert kept[3:].all()
    assert kept[:3].sum() == 2
    below = torch.where(kept[:3], 1.5, 1.0)
    torch.testing.assert_close(weights, torch.cat((below, torch.ones(2))))


def test_a_share_that_is_no_whole_number_is_rounded_down():
    losses = torch.tensor([0.0] * 5 + [9.0])
    kept, _ = prune(losses, ratio=0.5, generator=seeded())
    assert kept[:5].sum() == 2
    kept, _ = prune(losses, ratio=0.8, generator=seeded())
    assert kept[:5].sum() == 1  # though (1 - 0.8) * 5 < 1


@pytest.mark.parametrize("unknown", NOT_KNOWN)
def test_what_is_unknown_stays_and_does_not_count(unknown):
    losses = torch.tensor([unknown, 1.0, 1.0, 4.0, unknown])
    kept, weights = prune(losses, ratio=0.5, generator=seeded())
    assert kept.tolist()[::4] == [True, True]
    assert kept[1:3].sum() == 1
    assert weights[kept].sum() == 5
    kept, weights = prune(torch.full((4,), unknown), ratio=0.9, generator=seeded())
    assert kept.all()
    assert weights.eq(1).all()


def test_each_sample_counts_as_much_as_in_training_on_all():
    losses = torch.tensor([0.1, 0.2, 0.3, 0.4, 5.0, 6.0])
    generator, total = seeded(), torch.zeros(6)
    for _ in range(4000):
        kept, weights = prune(losses, ratio=0.5, generator=generator)
        total += weights * kept
    torch.testing.assert_close(total / 4000, torch.ones(6), atol=0.06, rtol=0)


@given(
    losses=st.lists(st.floats(0, 100, width=32) | st.sampled_from(NOT_KNOWN), max_size=30),
    ratio=st.floats(0, 0.95),
)
def test_the_numbers_kept_are_exact(losses, ratio):
    losses = torch.tensor(losses)
    kept, weights = prune(losses, ratio=ratio, generator=seeded())
    learned = losses < losses[losses.isfinite()].mean()
    assert kept[~learned].all()
    assert abs(kept[learned].sum() - (1 - ratio) * learned.sum()) < 1 + 1e-6
    assert weights.dtype == torch.float32
    torch.testing.assert_close(weights, torch.where(kept & learned, 1 / (1 - ratio), 1.0))


def test_chance_comes_from_the_generator_alone():
    losses = torch.arange(100.0)
    first, _ = prune(losses, ratio=0.5, generator=seeded(1))
    torch.rand(3)
    assert torch.equal(prune(losses, ratio=0.5, generator=seeded(1))[0], first)
    assert not torch.equal(prune(losses, ratio=0.5, generator=seeded(2))[0], first)


@pytest.mark.parametrize("ratio", [-0.1, 1, float("nan")])
def test_a_ratio_out_of_range_is_named(ratio):
    with pytest.raises(InvalidValueError, match=r"ratio: expected a share in \[0, 1\)"):
        prune(torch.ones(3), ratio=ratio, generator=seeded())
