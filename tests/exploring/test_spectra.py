import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.exploring import aligned_correlation, shrink, spectrum, thumbnails
from imprint.exploring.spectra import profile_correlation, profiles

from .conftest import drawn, first_images, shuffled

sides = st.integers(1, 12)


def naive_area(image, height, width):
    """Each pixel the mean of the pixels that its area touches, by loops in float64."""
    rows, columns = image.shape
    small = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            top, bottom = i * rows // height, -(-(i + 1) * rows // height)
            left, right = j * columns // width, -(-(j + 1) * columns // width)
            small[i, j] = image[top:bottom, left:right].mean()
    return small


@given(height=st.integers(1, 30), width=st.integers(1, 30), side=st.integers(1, 32))
def test_shrinking_agrees_with_naive_loops(height, width, side):
    images = drawn(2, 3, height, width)
    small = shrink(images, side)
    assert max(small.shape[2:]) == min(side, max(height, width))
    for image, own in zip(images.flatten(0, 1), small.flatten(0, 1), strict=True):
        expected = naive_area(image.double().numpy(), *own.shape)
        np.testing.assert_allclose(own.numpy(), expected, rtol=1e-5, atol=1e-4)


def test_small_images_stay_to_the_bit_and_long_ones_keep_their_form():
    images = drawn(2, 3, 20, 32)
    assert torch.equal(shrink(images, 32), images.float())
    assert shrink(drawn(1, 1, 200, 1), 32).shape == (1, 1, 32, 1)
    assert shrink(drawn(0, 3, 64, 48), 32).shape == (0, 3, 32, 24)


def test_thumbnails_are_grey_and_between_zero_and_one():
    images = drawn(3, 3, 40, 40)
    expected = np.stack([naive_area(image.double().mean(0).numpy(), 32, 32) for image in images])
    np.testing.assert_allclose(thumbnails(images)[:, 0].numpy(), expected / 255, atol=1e-5)
    assert thumbnails(torch.full((1, 3, 5, 5), 255, dtype=torch.uint8)).unique().tolist() == [1]


@pytest.mark.parametrize("make", [thumbnails, lambda images: shrink(images, 32)])
@pytest.mark.parametrize("images", [drawn(2, 4, 4), drawn(2, 1, 4, 4).float()], ids=["3d", "float"])
def test_refuses_what_is_no_image(make, images):
    with pytest.raises(InvalidValueError, match=r"images: expected \(N, C, H, W\) of torch.uint8"):
        make(images)


@given(height=sides, width=sides, seed=st.integers(0, 99))
@pytest.mark.parametrize("window", [False, True])
def test_a_spectrum_has_length_one_and_ignores_brightness_and_contrast(height, width, seed, window):
    grey = thumbnails(drawn(4, 1, height, width, seed=seed))
    found = spectrum(grey, window=window)
    length = found.norm(dim=1)
    torch.testing.assert_close(length, (length > 0.5).float())
    torch.testing.assert_close(spectrum(0.5 * grey + 0.2, window=window), found, atol=2e-2, rtol=0)
    torch.testing.assert_close(spectrum(grey[1:2], window=window), found[1:2], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(18, 18), (28, 28), (32, 24)])
def test_a_spectrum_has_162_entries(height, width):
    assert spectrum(thumbnails(drawn(2, 1, height, width))).shape == (2, 162)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 32, 32), (3, 64, 48)])
@pytest.mark.parametrize("window", [False, True])
def test_one_colour_has_no_spectrum(shape, window):
    for value in (0, 1, 77, 127, 201, 254, 255):
        plain = thumbnails(torch.full((1, *shape), value, dtype=torch.uint8))
        assert not spectrum(plain, window=window).any()


def test_a_shift_changes_a_spectrum_less_than_another_digit_does(digits):
    images = thumbnails(digits.images[:300])
    found, moved = spectrum(images), spectrum(images.roll((1, -1), (2, 3)))
    similar = found @ moved.T
    assert similar.diagonal().min() > 0.9
    others = similar.masked_fill(torch.eye(300, dtype=torch.bool), -1)
    assert (similar.diagonal() > others.amax(1)).float().mean() > 0.95


def naive_correlation(left, right, reach=3):
    """The best of numpy's correlations over all shifts by up to 3 pixels."""
    height, width = left.shape
    reach = [min(reach, (side - 1) // 4) for side in left.shape]
    best = -1.0
    for down in range(-reach[0], reach[0] + 1):
        for across in range(-reach[1], reach[1] + 1):
            one = left[
                max(0, down) : height + min(0, down), max(0, across) : width + min(0, across)
            ]
            other = right[
                max(0, -down) : height - max(0, down), max(0, -across) : width - max(0, across)
            ]
            varies = one.std() > 1e-7 and other.std() > 1e-7
            found = np.corrcoef(one.ravel(), other.ravel())[0, 1] if varies else 0.0
            best = max(best, found)
    return best


@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_aligned_correlation_agrees_with_numpy_over_all_shifts(height, width, seed):
    left, right = (thumbnails(drawn(3, 1, height, width, seed=s)) for s in (seed, seed + 500))
    right[1] = 0.6 * left[1].roll((1, -1), (1, 2)) + 0.1
    pairs = zip(left[:, 0].double().numpy(), right[:, 0].double().numpy(), strict=True)
    expected = torch.tensor([naive_correlation(*pair) for pair in pairs])
    actual = aligned_correlation(left, right).double()
    torch.testing.assert_close(actual, expected.double(), atol=1e-4, rtol=0)


def test_aligned_correlation_of_real_images_agrees_with_numpy():
    grey = thumbnails(first_images("fashion-mnist", 40).images)
    left, right = grey[:20], grey[20:]
    pairs = zip(left[:, 0].double().numpy(), right[:, 0].double().numpy(), strict=True)
    expected = torch.tensor([naive_correlation(*pair) for pair in pairs])
    actual = aligned_correlation(left, right).double()
    torch.testing.assert_close(actual, expected.double(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_profiles_correlate_as_the_lower_of_both_axes(digits, reach):
    grey = thumbnails(digits.images[:60])
    left, right = profiles(grey[:30]), profiles(grey[30:])
    for axis, mean in zip(left, (2, 3), strict=True):
        torch.testing.assert_close(axis.float(), grey[:30].mean(mean)[:, 0], atol=1e-3, rtol=1e-3)
    expected = [
        min(
            naive_correlation(
                *(side[axis][row][None].double().numpy() for side in (left, right)), reach
            )
            for axis in (0, 1)
        )
        for row in range(30)
    ]
    actual = profile_correlation(left, right, reach=reach).double()
    torch.testing.assert_close(actual, torch.tensor(expected).double(), atol=2e-3, rtol=0)


def test_sides_order_and_brightness_make_no_difference():
    left, right = thumbnails(drawn(9, 1, 16, 16)), thumbnails(drawn(9, 1, 16, 16, seed=1))
    found, order = aligned_correlation(left, right), shuffled(9)
    torch.testing.assert_close(aligned_correlation(right, left), found, atol=1e-5, rtol=0)
    ordered = aligned_correlation(left[order], right[order])
    torch.testing.assert_close(ordered, found[order], atol=1e-5, rtol=0)
    dimmed = aligned_correlation(0.3 * left + 0.5, right)
    torch.testing.assert_close(dimmed, found, atol=1e-4, rtol=0)


def test_a_correlation_stays_between_its_bounds():
    images = thumbnails(drawn(300, 1, 16, 16))
    assert aligned_correlation(images, images).max() <= 1
    tiny = thumbnails(drawn(300, 1, 3, 3))
    assert aligned_correlation(tiny, -tiny).min() >= -1


def test_one_colour_correlates_with_nothing():
    plain = torch.full((2, 1, 28, 28), 0.3)
    assert not aligned_correlation(plain, thumbnails(drawn(2, 1, 28, 28))).any()
    assert not aligned_correlation(plain, plain).any()
    assert not aligned_correlation(plain[..., :1, :1], plain[..., :1, :1]).any()


@pytest.mark.parametrize("right", [torch.ones(2, 1, 4, 5), torch.ones(3, 1, 4, 4)])
def test_refuses_pairs_that_do_not_fit(right):
    with pytest.raises(InvalidValueError, match=r"pairs: expected .* of one shape, got"):
        aligned_correlation(torch.ones(2, 1, 4, 4), right)
    with pytest.raises(InvalidValueError, match="pairs: expected"):
        aligned_correlation(torch.ones(4, 4), torch.ones(4, 4))
