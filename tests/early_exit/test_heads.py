import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.early_exit.fitting import fit_head
from imprint.early_exit.heads import (
    ENTRIES,
    HEAD_KINDS,
    check_kinds,
    features_of,
    grid_means,
    grid_places,
    head_logits,
    logits_of,
    margins,
)
from imprint.errors import InvalidValueError


@given(st.integers(3, 17), st.integers(3, 17), st.sampled_from([1, 40, 600]))
def test_grid_means_are_those_of_a_loop(height, width, channels):
    maps = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))
    tall, wide = (math.ceil(size / grid_places(channels)) for size in (height, width))
    own = grid_means(maps).view(2, height // tall, width // wide, channels)
    for i in range(height // tall):
        for j in range(width // wide):
            place = maps[:, :, i * tall : (i + 1) * tall, j * wide : (j + 1) * wide]
            torch.testing.assert_close(own[:, i, j], place.mean((2, 3)))


@given(st.integers(1, 10_000))
def test_a_grid_is_as_fine_as_its_entries_allow(channels):
    places = grid_places(channels)
    assert 1 <= places <= 8
    assert places == 1 or channels * places**2 <= ENTRIES
    assert places == 8 or channels * (places + 1) ** 2 > ENTRIES
    assert places == max(1, min(8, math.isqrt(ENTRIES // channels)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_grid_of_half_precision_is_summed_in_single(dtype):
    maps = torch.rand(2, 8, 40, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.testing.assert_close(grid_means(maps), grid_means(maps.float()))


def test_features_of_tokens_and_vectors():
    tokens, vectors = torch.rand(2, 16, 5), torch.rand(2, 5)
    expected = tokens.view(2, 8, 2, 5).mean(2).transpose(1, 2).flatten(1)
    torch.testing.assert_close(grid_means(tokens), expected)
    assert grid_means(vectors).equal(vectors)
    assert features_of(tokens, "probe").shape == (2, 10)


def test_logits_of_maps_are_those_of_their_features():
    maps = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    for kind in HEAD_KINDS:
        features = features_of(maps, kind)
        head = fit_head(features, labels, 2, kind)
        assert head.kind == kind
        torch.testing.assert_close(head_logits(maps, head), logits_of(features, head))


def test_margins_are_never_negative_and_nan_stays():
    logits = torch.tensor([[1.0, 4.0, 3.5], [2.0, 2.0, 1.0], [torch.nan, 0.0, 1.0]])
    assert margins(logits)[:2].tolist() == [0.5, 0.0]
    assert margins(logits)[2].isnan()


def test_mistakes_are_told():
    rows, labels = torch.rand(40, 3), torch.arange(40) % 4
    with pytest.raises(InvalidValueError, match=r"each of 5 classes .* got none of 4"):
        fit_head(rows, labels, 5, "probe")
    rows[3, 1] = torch.nan
    with pytest.raises(InvalidValueError, match="features: expected finite values"):
        fit_head(rows, labels, 4, "probe")
    with pytest.raises(InvalidValueError, match="kind: expected prototype, probe, mlp, got none"):
        check_kinds([])


@pytest.mark.parametrize("place", [(0, 0), (9, 3), (3, 12), (9, 12)])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_no_grid_hides_what_is_not_finite(place, value):
    sides = [math.ceil(size / grid_places(200)) for size in (10, 13)]
    assert all(size % side for size, side in zip((10, 13), sides, strict=True))  # some is left over
    maps = torch.rand(3, 200, 10, 13)
    maps[1, 2][place] = value
    assert grid_means(maps).isfinite().all(1).tolist() == [True, False, True]
    tokens = torch.rand(3, 17, 5)
    tokens[1, 16, 2] = value
    assert grid_means(tokens).isfinite().all(1).tolist() == [True, False, True]
