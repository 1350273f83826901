import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from imprint.data.augmentation import AUGMENTATIONS, augment, random_crop, random_flip
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError


def numbered(count=40, channels=1, height=6, width=5, dtype=torch.uint8):
    """Images of which no two pixels are alike, as far as a byte goes; none is 0."""
    size = (count, channels, height, width)
    return (torch.arange(torch.Size(size).numel()) % 251 + 1).view(size).to(dtype)


def crops(image, padding):
    """All shifts of one image, by a naive loop."""
    channels, height, width = image.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=image.dtype)
    padded[:, padding : padding + height, padding : padding + width] = image
    for y in range(2 * padding + 1):
        for x in range(2 * padding + 1):
            yield padded[:, y : y + height, x : x + width]


@given(
    st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(0, 3), st.integers(0, 99)
)
def test_each_crop_is_one_of_the_shifts(channels, height, width, padding, seed):
    images = numbered(5, channels, height, width)
    cropped = random_crop(images, generator=generator_of(seed), padding=padding)
    assert (cropped.shape, cropped.dtype) == (images.shape, images.dtype)
    for image, crop in zip(images, cropped, strict=True):
        assert any(torch.equal(crop, shift) for shift in crops(image, padding))


def test_a_crop_is_the_shift_that_was_drawn():
    images = numbered(60, 3)
    draws = torch.randint(25, (60,), generator=generator_of(4)).tolist()
    cropped = random_crop(images, generator=generator_of(4), padding=2)
    for image, crop, draw in zip(images, cropped, draws, strict=True):
        assert torch.equal(crop, list(crops(image, 2))[draw])


def test_every_shift_is_drawn_about_as_often():
    images = torch.zeros(9000, 1, 3, 3)
    images[:, :, 1, 1] = 1
    sums = random_crop(images, generator=generator_of(0), padding=1).sum(0)[0]
    assert ((sums - 1000).abs() < 150).all()  # five deviations of a binomial of 1/9


def test_the_shift_is_an_eighth_of_the_side_by_default():
    centre = F.pad(torch.ones(500, 1, 1, 1), (14, 13, 14, 13))
    rows = random_crop(centre, generator=generator_of(0)).nonzero()[:, 2]
    assert (rows.min().item(), rows.max().item()) == (11, 17)


def test_any_layout_and_type_can_be_cropped():
    images = numbered(6, 3, dtype=torch.float32)
    last = images.contiguous(memory_format=torch.channels_last)
    expected = random_crop(images, generator=generator_of(1), padding=2)
    assert torch.equal(random_crop(last, generator=generator_of(1), padding=2), expected)
    assert expected.is_contiguous()
    assert random_crop(images[:0], generator=generator_of(1), padding=2).shape == (0, 3, 6, 5)


def test_a_flip_mirrors_about_half():
    images = numbered(1000, 3, 4, 5)
    flipped = random_flip(images, generator=generator_of(0))
    drawn = (torch.rand(1000, generator=generator_of(0)) < 0.5).tolist()
    assert 420 < sum(drawn) < 580
    for image, got, mirrored in zip(images, flipped, drawn, strict=True):
        assert torch.equal(got, image.flip(2) if mirrored else image)


def test_the_images_given_are_left_alone():
    images = numbered(20, 2, 12, 12)
    augment(images, AUGMENTATIONS, generator=generator_of(0))
    random_flip(images, generator=generator_of(0), share=1.0)
    assert torch.equal(images, numbered(20, 2, 12, 12))


def test_augmentations_come_in_the_order_given():
    images = numbered(20, 3)
    generator = generator_of(5)
    cropped = random_crop(images, generator=generator, padding=None)
    expected = random_flip(cropped, generator=generator)
    assert torch.equal(augment(images, ("crop", "flip"), generator=generator_of(5)), expected)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_keeps_shape_and_type_and_follows_its_generator_alone(name):
    images, state = numbered(20, 2, 24, 30), torch.get_rng_state()
    once, again = (augment(images, [name], generator=generator_of(7)) for _ in range(2))
    assert (once.shape, once.dtype) == (images.shape, images.dtype)
    assert torch.equal(once, again)
    assert not torch.equal(once, images)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_mask_blanks_up_to_a_sixth_of_rows_and_columns():
    masked = augment(torch.ones(300, 1, 24, 30), ["mask"], generator=generator_of(0))[:, 0]
    rows, columns = (masked.amax(2) == 0).sum(1), (masked.amax(1) == 0).sum(1)
    assert (set(rows.tolist()), set(columns.tolist())) == (set(range(5)), set(range(6)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda g: random_crop(torch.zeros(3, 4, 4), generator=g),
            r"\(N, C, H, W\), got \(3, 4, 4\)",
        ),
        (lambda g: random_flip(torch.zeros(3), generator=g), r"\(N, C, H, W\), got \(3,\)"),
        (lambda g: random_crop(numbered(), generator=g, padding=-1), "at least 0 pixels, got -1"),
        (lambda g: random_flip(numbered(), generator=g, share=1.1), r"\[0, 1\], got 1.1"),
        (
            lambda g: augment(numbered(), ["rotate"], generator=g),
            "some of crop, flip, roll, level, mask, got 'rotate'",
        ),
    ],
)
def test_bad_arguments_are_refused(call, said):
    with pytest.raises(InvalidValueError, match=said):
        call(generator_of(0))
