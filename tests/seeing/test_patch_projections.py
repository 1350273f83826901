import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import deconvolve, project_patches, top_patches

IMAGES = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_pairs_are_the_parts_of_image_and_projection_that_the_place_sees():
    model = build_model("resnet8", (3, 16, 16), 10)
    patches = top_patches(model, "layer1", IMAGES.split(5), k=4).of(7)
    pairs = project_patches(model, patches, IMAGES[patches.index])
    assert len(pairs) == len(patches.index) == 4
    for pair, row, place, box in zip(
        pairs, patches.index, patches.positions, patches.boxes.tolist(), strict=True
    ):
        image = IMAGES[row][None]
        whole = deconvolve(model, "layer1", image, 7, position=place)
        top, left, height, width = box
        part = (0, slice(None), slice(top, top + height), slice(left, left + width))
        assert torch.equal(pair.pixels, image[part])
        torch.testing.assert_close(pair.projection, whole[part])
        whole[part] = 0
        assert not whole.any()  # nothing lies outside


def test_the_strongest_comes_first_and_its_projection_is_as_strong():
    model = nn.Sequential(nn.Conv2d(3, 1, 3, bias=False))
    nn.init.constant_(model[0].weight, 1.0)
    patches = top_patches(model, "0", [IMAGES], k=3).of(0)
    pairs = project_patches(model, patches, IMAGES[patches.index])
    for pair, value in zip(pairs, patches.values, strict=True):
        torch.testing.assert_close(pair.pixels.sum(), value)
        torch.testing.assert_close(pair.projection, value.expand(3, 3, 3))


def test_another_place_than_the_strongest_is_projected_where_it_is_named():
    model = nn.Sequential(nn.Conv2d(3, 1, 3, bias=False))
    patches = top_patches(model, "0", [IMAGES], k=1).of(0)
    moved = patches._replace(positions=torch.tensor([[2, 9]]), boxes=torch.tensor([[2, 9, 3, 3]]))
    image = IMAGES[moved.index]
    ((_, projection),) = project_patches(model, moved, image)
    value = model(image)[0, 0, 2, 9]
    torch.testing.assert_close(projection, (model[0].weight[0] * value).detach())


def test_one_image_a_patch_is_wanted():
    model = build_model("resnet8", (3, 16, 16), 10)
    patches = top_patches(model, "stem", [IMAGES], k=3).of(1)
    with pytest.raises(InvalidValueError, match="images: expected 3, one a patch, got 12"):
        project_patches(model, patches, IMAGES)
    gated = nn.Sequential(nn.Sigmoid(), nn.MaxPool2d(2))
    patches = top_patches(gated, "1", [IMAGES], k=2).of(0)
    with pytest.raises(LayerError, match="got Sigmoid in module '0'"):
        project_patches(gated, patches, IMAGES[patches.index])
