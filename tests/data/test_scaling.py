from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.data import scaling
from imprint.data.scaling import (
    fit_images,
    float_normalisation,
    measured,
    normalisation,
    normalise,
    resize,
)
from imprint.errors import InvalidValueError
from imprint.types import DataSplits, ImageSet, Normalisation

from .conftest import small_set


@pytest.mark.parametrize("chunk", [1, 500, 1 << 23])
def test_the_normalisation_is_numpys(monkeypatch, chunk):
    monkeypatch.setattr(scaling, "CHUNK_BYTES", chunk)
    images = small_set(40, channels=3).images
    mean, std = normalisation(images)
    pixels = images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-12)


def test_a_constant_channel_divides_by_one():
    images = torch.full((3, 1, 2, 2), 51, dtype=torch.uint8)
    measured = normalisation(images)
    assert measured.std == (1.0,)
    assert measured.mean == pytest.approx((0.2,))
    assert normalise(images, measured).abs().max() < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", [False, True])
def test_normalising_agrees_with_float64(channels, last):
    images = small_set(20, channels=channels).images
    measured = normalisation(images)
    mean, std = (np.array(part).reshape(1, -1, 1, 1) for part in measured)
    expected = (images.numpy().astype(np.float64) / 255 - mean) / std
    got = normalise(images, measured, channels_last=last)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)
    assert got.dtype == torch.float32
    assert got.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def test_resizing_keeps_levels_and_shrinks_by_averages():
    images = torch.tensor([0, 100, 200, 50], dtype=torch.uint8).repeat_interleave(64)
    images = images.view(4, 1, 8, 8)
    assert torch.equal(resize(images, 4), images[:, :, :4, :4])
    stripes = torch.tensor([0, 200], dtype=torch.uint8).repeat(1, 1, 8, 4)
    inside = resize(stripes, 2)[0, 0]
    assert ((inside.int() - 100).abs() <= 20).all()  # a plain bilinear would give stripes again


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 1, 4, 4).long(), torch.zeros(1, 4, 4).byte(), torch.zeros(0, 1, 4, 4).byte()],
)
@pytest.mark.parametrize(
    "call",
    [normalisation, lambda x: normalise(x, Normalisation((0,), (1,))), lambda x: resize(x, 2)],
)
def test_other_images_are_refused(images, call):
    with pytest.raises(InvalidValueError, match=r"images: expected \(N, C, H, W\) of torch.uint8"):
        call(images)


def test_another_number_of_channels_is_refused():
    with pytest.raises(InvalidValueError, match=r"expected 3 means and deviations.*got 1 and 1"):
        normalise(torch.zeros(2, 3, 4, 4).byte(), Normalisation((0.5,), (0.5,)))


@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
def test_floats_are_measured_as_numpy_does(shape):
    floats = torch.randn(shape, generator=torch.Generator().manual_seed(0)).half()
    mean, std = float_normalisation(floats)
    assert mean[0] == pytest.approx(floats.double().numpy().mean(), abs=1e-9)
    assert std[0] == pytest.approx(floats.double().numpy().std() or 1.0, abs=1e-6)
    assert len(set(mean)) == len(set(std)) == 1
    assert len(mean) == shape[1]


def test_floats_are_normalised_in_their_own_units_and_not_in_place():
    floats = torch.tensor([-3.0, 5.0]).view(2, 1, 1, 1)
    assert normalise(floats, Normalisation((1.0,), (4.0,))).flatten().tolist() == [-1.0, 1.0]
    assert floats.flatten().tolist() == [-3.0, 5.0]
    assert torch.equal(normalise(floats.half(), None), floats)


def test_bytes_without_a_normalisation_are_refused():
    with pytest.raises(InvalidValueError, match="normalisation: expected one for images in bytes"):
        normalise(torch.zeros(1, 1, 2, 2).byte(), None)


def test_floats_are_fitted_as_images_are_resized():
    images = torch.randint(256, (2, 1, 12, 12), generator=torch.Generator().manual_seed(0)).byte()
    fitted = fit_images(images.float(), (3, 28, 28))
    assert fitted.shape == (2, 3, 28, 28)
    assert (fitted[:, 0].round() - resize(images, 28)[:, 0]).abs().max() <= 1
    with pytest.raises(InvalidValueError, match="images: expected 1 or 3 channels, got 2"):
        fit_images(torch.zeros(1, 2, 4, 4), (3, 8, 8))


def test_parts_say_what_they_are_normalised_with():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    part = ImageSet(pixels, torch.tensor([0, 1]), ("a", "b"))
    data = measured(DataSplits("x", part, part, beside={"more": part}))
    both = Normalisation((0.5,), (0.5,))
    assert data.train.normalisation == data.test.normalisation == both
    assert data.beside["more"].normalisation == both
    assert measured(data) is data
    own = replace(part, normalisation=Normalisation((0.0,), (1.0,)))
    assert measured(DataSplits("x", part, own)).test.normalisation == own.normalisation


def test_bytes_beside_floats_need_a_normalisation():
    labels = torch.tensor([0, 1])
    floats = ImageSet(torch.zeros(2, 1, 3, 3), labels, ("a", "b"))
    pixels = ImageSet(torch.zeros(2, 1, 4, 4).byte(), labels, ("a", "b"))
    with pytest.raises(InvalidValueError, match="normalisation: expected one with images in bytes"):
        measured(DataSplits("x", floats, pixels))
