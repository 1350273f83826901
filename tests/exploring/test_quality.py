import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.exploring import NOISE, quality

from .conftest import drawn, first_images, shuffled


def naive(image):
    """Four numbers of one image by loops over channels, in float64."""
    channels = image.numpy().astype(np.float64) / 255
    variance = np.mean([channel.var() for channel in channels])
    means = [
        np.mean([(channel[1:] - channel[:-1]) ** 2 for channel in planes])
        for planes in (channels, channels.transpose(0, 2, 1))
        if planes.shape[1] > 1
    ]
    square = np.mean(means) if means else 0.0
    roughness = square / (2 * variance) if variance > 1e-9 else 0.0
    return [channels.mean(), np.sqrt(variance), np.sqrt(square), roughness]


sides = st.integers(1, 7)


@given(channels=st.sampled_from([1, 3]), height=sides, width=sides, seed=st.integers(0, 99))
def test_agrees_with_naive_loops_in_float64(channels, height, width, seed):
    images = drawn(3, channels, height, width, seed=seed)
    expected = torch.tensor([naive(image) for image in images], dtype=torch.float64)
    actual = torch.stack(quality(images), 1).double()
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_order_batch_turns_and_mirrors_make_no_difference():
    images, order = drawn(6, 3, 9, 9), shuffled(6)
    whole = torch.stack(quality(images))
    torch.testing.assert_close(torch.stack(quality(images[order])), whole[:, order])
    torch.testing.assert_close(torch.stack(quality(images[2:3])), whole[:, 2:3])
    for turned in (images.flip(3), images.transpose(2, 3), images.flip(1)):
        torch.testing.assert_close(torch.stack(quality(turned)), whole)


def test_the_scale_of_pixels_changes_all_but_the_roughness():
    images = drawn(5, 1, 16, 16, most=64)
    one, four = quality(images), quality(images * 4)
    for name in ("brightness", "contrast", "sharpness"):
        torch.testing.assert_close(getattr(four, name), 4 * getattr(one, name))
    torch.testing.assert_close(four.roughness, one.roughness)


@pytest.mark.parametrize("colour", [(0,), (77,), (201,), (255,), (255, 0, 0), (3, 201, 77)])
@pytest.mark.parametrize("side", [1, 9, 28, 32])
def test_an_image_of_one_colour_has_only_brightness(colour, side):
    pixels = torch.tensor(colour, dtype=torch.uint8).view(1, -1, 1, 1)
    found = quality(pixels.expand(2, -1, side, side))
    assert found.brightness[0].item() == pytest.approx(sum(colour) / len(colour) / 255)
    assert not torch.stack(found[1:]).any()


@pytest.mark.parametrize("shape", [(64, 64), (1, 4096), (4096, 1)])
def test_white_noise_has_a_roughness_of_about_one(shape):
    assert quality(drawn(4, 1, *shape)).roughness.tolist() == pytest.approx([1] * 4, abs=0.08)


def test_blurring_lowers_sharpness_and_roughness(digits):
    images = digits.images[:50]
    blurred = torch.nn.functional.avg_pool2d(images.float(), 3, 1, 1).byte()
    one, other = quality(images), quality(blurred)
    assert bool((other.sharpness < one.sharpness).all())
    assert bool((other.roughness < one.roughness).all())


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_noise_is_told_from_images(name):
    assert bool((quality(first_images(name, 2000).images).roughness < NOISE).all())
    assert bool((quality(drawn(2000, 1, 28, 28)).roughness > NOISE).all())


def test_no_image_has_no_quality():
    assert [column.shape for column in quality(drawn(0, 3, 4, 4))] == [(0,)] * 4


@pytest.mark.parametrize("images", [drawn(2, 4, 4), drawn(2, 1, 4, 4).float()], ids=["3d", "float"])
def test_refuses_what_is_no_image(images):
    with pytest.raises(InvalidValueError, match=r"images: expected \(N, C, H, W\) of torch.uint8"):
        quality(images)
