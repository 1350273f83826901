import pytest
import torch
from torch import nn

from imprint.errors import LayerError
from imprint.models import build_model
from imprint.taps import carries_all_data, check_carries_all_data

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    return build_model("resnet20", (3, 32, 32), 10)


class Around(nn.Module):
    """Data pass around `inner`."""

    def __init__(self, join):
        super().__init__()
        self.stem, self.inner, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
        self.join = join

    def forward(self, images):
        maps = self.stem(images)
        maps = self.join(maps, self.inner(maps))
        return self.head(maps.mean((2, 3)))


@pytest.mark.parametrize(
    "join",
    [
        lambda a, b: a + b,
        lambda a, b: torch.cat((a, b), 0)[: len(a)],
        lambda a, _b: a,
    ],
    ids=["residual", "concatenated", "unused"],
)
def test_proves_that_data_pass_around_a_layer(join):
    model = Around(join)
    assert not carries_all_data(model, "inner", IMAGES[:2])
    with pytest.raises(LayerError, match=r"'inner': .* would do: stem, head"):
        check_carries_all_data(model, "inner", IMAGES[:2])


@pytest.mark.parametrize("layer", ["stem", "layer1", "layer2", "layer1.0", "pool", "linear"])
def test_finds_layers_that_carry_all_data(model, layer):
    assert carries_all_data(model, layer, IMAGES[:2])
    assert not carries_all_data(model, "layer1.0.conv1", IMAGES[:2])


def test_a_layer_used_twice_does_not_carry_all_data():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 3, 1), relu, nn.Conv2d(3, 3, 1), relu)
    assert not carries_all_data(model, "1", IMAGES[:2])
    assert carries_all_data(model, "0", IMAGES[:2])


class Beside(nn.Module):
    """Gives maps, and something beside them."""

    def __init__(self, beside):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3)
        self.beside = beside

    def forward(self, images):
        return self.conv(images), self.beside(images)


class Taker(nn.Module):
    """Goes on with the maps alone."""

    def __init__(self, block):
        super().__init__()
        self.block, self.head = block, nn.Linear(16, 2)

    def forward(self, images):
        maps, _ = self.block(images)
        return self.head(maps.mean((2, 3)))


@pytest.mark.parametrize(
    ("beside", "carries"),
    [
        (lambda images: images.mean((1, 2, 3)), True),
        (lambda _images: torch.ones(1, 16), True),
        (lambda _images: torch.tensor(3.0), True),
        (lambda _images: None, True),
        (lambda _images: torch.ones(16, 1, 1), False),  # as long as some batch
        (lambda _images: {"scale": [torch.ones(16)]}, False),
    ],
)
def test_what_lies_beside_maps_must_have_a_row_a_sample(beside, carries):
    assert carries_all_data(Taker(Beside(beside)), "block", IMAGES[:2]) == carries


class Silent(nn.Module):
    def forward(self, _maps):
        return None


def test_layers_without_a_tensor_are_not_listed_as_fitting():
    model = Around(lambda a, b: a + b)
    model.silent = Silent()
    model.inner.register_forward_hook(lambda _module, _inputs, maps: model.silent(maps))
    with pytest.raises(LayerError, match=r"'inner': .* would do: stem, head$"):
        check_carries_all_data(model, "inner", IMAGES[:2])
    with pytest.raises(LayerError, match="'silent': expected a tensor as output, got NoneType"):
        check_carries_all_data(model, "silent", IMAGES[:2])
