"""Why two images are similar: the parts of the channels add up to the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.searching import channel_agreement, strongest_agreement
from imprint.signatures import signature
from imprint.similarity import cosine_similarity


@given(st.integers(1, 40), st.integers(0, 1000))
def test_the_parts_add_up_to_the_cosine(channels, seed):
    pair = torch.randn(2, 2 * channels, generator=torch.Generator().manual_seed(seed))
    whole = cosine_similarity(pair[:1], pair[1:])[0, 0]
    assert channel_agreement(*pair).sum() == pytest.approx(float(whole), abs=1e-5)


def test_a_channel_that_both_answer_to_is_the_strongest():
    maps = torch.rand(2, 8, 5, 5, generator=torch.Generator().manual_seed(0)) * 0.1
    maps[:, 3, 2, 2] = 9.0
    maps[0, 5], maps[1, 6] = 4.0, 4.0
    agreement = strongest_agreement(*signature(maps), k=2)
    assert agreement.channels[0] == 3
    assert agreement.parts[0] > agreement.parts[1]
    assert len(strongest_agreement(*signature(maps), k=99).channels) == 8


def test_zeros_agree_with_nothing():
    assert channel_agreement(torch.zeros(4), torch.ones(4)).tolist() == [0, 0]


@pytest.mark.parametrize("shapes", [((4,), (6,)), ((3,), (3,)), ((1, 4), (1, 4)), ((0,), (0,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(InvalidValueError, match="signatures: expected two of the same"):
        channel_agreement(*map(torch.ones, shapes))
