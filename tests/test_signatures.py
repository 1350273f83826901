import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint import signatures
from imprint.errors import InvalidValueError
from imprint.signatures import channels_first, signature


def naive_signature(maps, deviation):
    """The formulas of section 5.1, a loop over samples, channels and positions in float64."""
    rows = []
    for sample in maps.double().tolist():
        row = []
        for channel in sample:
            values = [abs(value) for line in channel for value in line]
            mean = math.fsum(values) / len(values)
            squares = math.fsum((value - mean) ** 2 for value in values)
            paper, population = math.sqrt(squares) / len(values), math.sqrt(squares / len(values))
            row += [mean, population if deviation == "population" else paper]
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def random_maps(*shape, seed=0, scale=1.0, shift=0.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale + shift


@pytest.mark.parametrize("deviation", ["population", "paper"])
@given(
    n=st.integers(1, 3),
    c=st.integers(1, 4),
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    seed=st.integers(0, 99),
    shift=st.sampled_from([0.0, 0.5, 5.0, 50.0]),
)
def test_agrees_with_a_naive_loop_in_float64(deviation, n, c, h, w, seed, shift):
    maps = random_maps(n, c, h, w, seed=seed, shift=shift)
    expected = naive_signature(maps, deviation)
    actual = signature(maps, deviation=deviation).double()
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5 * max(1.0, shift))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 77.7, 1e-6])
def test_a_constant_map_has_no_deviation(value):
    maps = torch.full((2, 3, 32, 32), value)
    torch.testing.assert_close(signature(maps)[:, 1::2], torch.zeros(2, 3), rtol=0, atol=0)


def test_a_nearly_constant_map_keeps_its_small_deviation():
    maps = random_maps(4, 8, 32, 32, scale=1e-3, shift=1.0)
    expected = naive_signature(maps, "population")
    torch.testing.assert_close(signature(maps).double(), expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_accumulates_in_float32_at_least(dtype):
    maps = (random_maps(2, 3, 64, 64) + 4).to(dtype)  # 4096 positions: float16 alone would overflow
    actual = signature(maps)
    assert actual.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(
        actual.double(), naive_signature(maps, "population"), rtol=1e-5, atol=1e-5
    )


def test_memory_format_makes_no_difference():
    maps = random_maps(3, 4, 7, 5)
    twisted = maps.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(signature(twisted), signature(maps), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_many_rows_are_as_each_alone_and_with_a_graph(dtype, layout, monkeypatch):
    monkeypatch.setattr(signatures, "CACHED", 10_000)  # of 453,600, the last part is smaller
    maps = random_maps(700, 8, 9, 9, shift=0.5).to(dtype).contiguous(memory_format=layout)
    before = maps.clone()
    many = signature(maps)
    torch.testing.assert_close(many, torch.cat([signature(row[None]) for row in maps]))
    with_graph = signature(maps.requires_grad_())
    torch.testing.assert_close(many, with_graph.detach(), rtol=1e-5, atol=1e-5)
    with_graph.sum().backward()
    assert maps.grad.shape == maps.shape
    assert torch.equal(maps.detach(), before)
    assert signature(maps.detach()[:0]).shape == (0, 16)


def test_sign_position_and_batch_make_no_difference():
    maps = random_maps(5, 3, 6, 6)
    shuffled = maps.flatten(2)[:, :, torch.randperm(36)].view_as(maps)
    torch.testing.assert_close(signature(-shuffled), signature(maps))
    torch.testing.assert_close(signature(maps[2:3]), signature(maps)[2:3])


def test_scales_with_the_maps():
    maps = random_maps(2, 3, 6, 6)
    torch.testing.assert_close(signature(maps * 3), signature(maps) * 3)


def test_tokens_and_vectors_have_channels_too():
    tokens = random_maps(2, 9, 5)
    maps = tokens.transpose(1, 2).reshape(2, 5, 3, 3)
    torch.testing.assert_close(signature(tokens), signature(maps))
    vectors = random_maps(2, 5)
    torch.testing.assert_close(signature(vectors)[:, 0::2], vectors.abs())
    assert not signature(vectors)[:, 1::2].any()


def test_views_without_copy_where_strides_allow():
    maps = random_maps(2, 3, 4, 4)
    assert channels_first(maps).data_ptr() == maps.data_ptr()
    twisted = maps.contiguous(memory_format=torch.channels_last)
    assert channels_first(twisted).data_ptr() == twisted.data_ptr()


@pytest.mark.parametrize(
    "maps",
    [torch.zeros(3), torch.zeros(1, 2, 3, 4, 5), torch.zeros(2, 3, 0, 4), torch.zeros(2, 3).int()],
)
def test_refuses_what_is_no_map(maps):
    with pytest.raises(InvalidValueError, match="maps: expected floats"):
        signature(maps)


def test_refuses_an_unknown_deviation():
    with pytest.raises(InvalidValueError, match="deviation"):
        signature(torch.ones(1, 1, 2, 2), deviation="sample")
