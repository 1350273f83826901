from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from imprint.data import Batch
from imprint.errors import InvalidValueError
from imprint.seeing.images import image_batches, told_as_misfit

IMAGES = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def stream(batches, **arguments):
    return [
        (index.tolist(), len(images))
        for index, images in image_batches(nn.Identity(), batches, **arguments)
    ]


class Shown(NamedTuple):
    """A tuple whose `index` is a method, as that of every tuple."""

    images: Tensor
    caption: str


def test_places_are_counted_on_where_batches_carry_none():
    assert stream(IMAGES.split(2)) == [([0, 1], 2), ([2, 3], 2), ([4], 1)]
    assert stream([(IMAGES, "labels")], first_index=10) == [([10, 11, 12, 13, 14], 5)]
    assert stream([[IMAGES]]) == [([0, 1, 2, 3, 4], 5)]
    assert stream([Shown(IMAGES[:2], "two")]) == [([0, 1], 2)]
    index = torch.tensor([7, 3])
    assert stream([Batch(index, IMAGES[:2], index)]) == [([7, 3], 2)]


@pytest.mark.parametrize(
    "batches", [[], [IMAGES[:0]], [()], ["text"], [{"pixels": IMAGES}], [None]]
)
def test_what_is_no_batch_of_images_is_told(batches):
    with pytest.raises(InvalidValueError, match=r"(batches|images): expected"):
        stream(batches)


def test_a_guests_own_errors_name_the_images_and_keep_their_cause():
    with (
        pytest.raises(
            InvalidValueError, match=r"got \(5, 1, 4, 4\) of torch.float32: sizes"
        ) as told,
        told_as_misfit(IMAGES),
    ):
        raise ValueError("sizes\nand a long story")
    assert isinstance(told.value.__cause__, ValueError)
    for other in (KeyError("x"), AssertionError()):
        said = f"{type(other).__name__}: ('x'|no word of why)"
        with pytest.raises(InvalidValueError, match=said), told_as_misfit(IMAGES):
            raise other
    for other in (torch.OutOfMemoryError("x"), InvalidValueError("own: text"), StopIteration()):
        with pytest.raises(type(other)) as passed, told_as_misfit(IMAGES):
            raise other
        assert passed.value is other
