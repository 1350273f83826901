"""Maps as images, against loops; float64 where it is the judge."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.on_maps import map_images, map_planes
from imprint.on_maps.forms import images_an_input


def random_maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def naive(maps, form):
    rows = []
    for image in maps.double():
        if form == "each":
            rows.extend(channel for channel in image)
        else:
            kept = [channel.abs() if form == "energy" else channel for channel in image]
            rows.append(sum(kept) / len(kept))
    return torch.stack(rows)[:, None]


@pytest.mark.parametrize("form", ["each", "mean", "energy"])
@given(n=st.integers(1, 4), c=st.integers(1, 5), h=st.integers(1, 6), w=st.integers(1, 6))
def test_forms_are_those_of_a_loop(form, n, c, h, w):
    maps = random_maps(n, c, h, w)
    torch.testing.assert_close(
        map_planes(maps, form).double(), naive(maps, form), atol=1e-6, rtol=1e-6
    )


def test_means_of_half_precision_are_taken_in_single():
    maps = torch.full(
        (1, 4096, 1, 1), 1.0, dtype=torch.float16
    )  # sums of ones in half stop at 2048
    assert map_planes(maps, "mean").item() == 1


def test_each_takes_no_room_of_its_own():
    maps = random_maps(3, 4, 5, 6)
    assert map_planes(maps, "each").data_ptr() == maps.data_ptr()


def test_the_rows_of_an_image_stand_together():
    maps = torch.arange(6.0).view(2, 3, 1, 1)
    assert map_planes(maps, "each").flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert images_an_input("each", 3) == 3


def test_images_are_resized_and_repeated():
    images = map_images(random_maps(2, 3, 6, 6), "mean", (3, 12, 12))
    assert images.shape == (2, 3, 12, 12)
    assert torch.equal(images[:, 0], images[:, 2])


def test_negative_values_are_kept():
    assert (map_images(-torch.ones(1, 2, 4, 4), "each", (1, 8, 8)) == -1).all()


@pytest.mark.parametrize(
    ("maps", "form", "message"),
    [
        (torch.zeros(2, 3, 4, 4), "sum", "form: expected one of each, mean, energy; got 'sum'"),
        (torch.zeros(2, 3), "mean", r"maps: expected floats \(N, C, H, W\)"),
        (torch.zeros(2, 3, 4, 4).byte(), "mean", "maps: expected floats"),
    ],
)
def test_what_is_none_is_refused(maps, form, message):
    with pytest.raises(InvalidValueError, match=message):
        map_planes(maps, form)
