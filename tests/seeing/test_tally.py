import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.seeing.health import ALIKE
from imprint.seeing.tally import Moments, Tally, thinned


@given(
    c=st.integers(1, 5),
    size=st.integers(1, 40),
    shift=st.sampled_from([0.0, 1.0, 1000.0]),
    seed=st.integers(0, 99),
)
def test_correlations_are_those_of_a_pass_over_all_in_float64(c, size, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(c, 40, generator=generator) * 0.1 + shift
    values[-1] = 0.8 * values[0] + 0.2 * values[-1]
    parts = values.split(size, dim=1)
    moments = Moments(parts[0].mean(1))
    for part in parts:
        moments.add(part)
    expected = torch.corrcoef(values.double()).reshape(c, c)
    torch.testing.assert_close(moments.correlation(), expected, rtol=1e-3, atol=1e-3)


def test_a_constant_channel_correlates_with_nothing():
    values = torch.stack((torch.full((20,), 100.1), torch.arange(20.0), torch.zeros(20)))
    moments = Moments(values.mean(1))
    moments.add(values)
    expected = torch.zeros(3, 3, dtype=torch.float64)
    expected[1, 1] = 1
    torch.testing.assert_close(moments.correlation(), expected)


@pytest.mark.parametrize(("correlation", "alike"), [(0.985, False), (0.995, True)])
def test_alike_is_more_than_99_hundredths(correlation, alike):
    first, noise = torch.randn(2, 100_000, generator=torch.Generator().manual_seed(0))
    second = correlation * first + (1 - correlation**2) ** 0.5 * noise
    tally = Tally(nn.ReLU(), torch.stack((first, second)).view(1, 2, 1, -1))
    tally.add(torch.stack((first, second)).view(1, 2, 1, -1))
    assert bool(tally.moments.correlation()[0, 1] > ALIKE) == alike


def test_half_precision_is_summed_in_float32():
    maps = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) + 20
    halved = maps.half()
    one, other = Tally(nn.ReLU(), halved), Tally(nn.ReLU(), halved.float())
    one.add(halved)
    other.add(halved.float())
    assert one.norms == other.norms
    assert torch.equal(one.moments.correlation(), other.moments.correlation())


def test_of_wide_maps_each_position_has_its_turn():
    places = torch.arange(28.0 * 30).view(1, 1, 28, 30).expand(1, 512, 28, 30)
    turns = [thinned(places, turn)[0, 0].flatten().tolist() for turn in range(16)]
    assert sorted(place for turn in turns for place in turn) == list(range(28 * 30))
    assert max(len(turn) for turn in turns) <= 64
    for shape in ((1, 64, 64, 64), (2, 2048, 5, 5), (1, 4096, 1, 9)):
        assert thinned(torch.zeros(shape), 3).shape == shape


def test_duplicates_of_a_wide_layer_are_found_and_no_others():
    maps = torch.randn(8, 512, 28, 28, generator=torch.Generator().manual_seed(0))
    maps[:, 7] = 3 * maps[:, 2]
    maps[:, 9, ::4, ::4] = maps[:, 4, ::4, ::4]  # alike at the positions of the first turn
    tally = Tally(nn.ReLU(), maps)
    for batch in maps.split(2):
        tally.add(batch)
    alike = (tally.moments.correlation() > ALIKE).triu(1).nonzero().tolist()
    assert alike == [[2, 7]]
