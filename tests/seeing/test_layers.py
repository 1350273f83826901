import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import layer_maps

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def by_name(rows):
    return {row.name: row for row in rows}


def test_gives_each_layers_maps_in_order_of_execution():
    model = build_model("paper", (3, 32, 32), 10)
    rows = layer_maps(model, IMAGES)
    assert [(row.name, row.kind, row.shape) for row in rows] == [
        ("conv1", "Conv2d", (10, 28, 28)),
        ("pool1", "MaxPool2d", (10, 14, 14)),
        ("relu1", "ReLU", (10, 14, 14)),
        ("conv2", "Conv2d", (20, 10, 10)),
        ("pool2", "MaxPool2d", (20, 5, 5)),
        ("relu2", "ReLU", (20, 5, 5)),
    ]
    expected = IMAGES
    for row in rows:
        expected = model.get_submodule(row.name)(expected)
        torch.testing.assert_close(row.maps, expected.detach())
        assert not row.maps.requires_grad


def test_order_is_that_of_execution_not_of_definition():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.late, self.early = nn.Conv2d(4, 2, 1), nn.Conv2d(3, 4, 1)

        def forward(self, images):
            return self.late(self.early(images))

    assert [row.name for row in layer_maps(Backwards(), IMAGES)] == ["early", "late"]


def test_maps_are_those_before_a_later_layer_changed_them_in_place():
    rows = by_name(layer_maps(build_model("conv4", (3, 32, 32), 10), IMAGES))
    assert rows["block1.2"].maps.min() < 0  # the norm, before the ReLU in place
    torch.testing.assert_close(rows["block1.2"].maps.clamp_min(0), rows["block1.3"].maps)


def test_any_module_can_be_named_and_only_those_are_given():
    model = build_model("resnet8", (3, 32, 32), 10)
    rows = layer_maps(model, IMAGES, layers=["layer2", "stem"])
    assert [row.name for row in rows] == ["stem", "layer2"]
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(rows[1].maps, model.layer2(model.layer1(model.stem(IMAGES))))


def test_what_only_passes_its_input_on_is_left_out():
    model = nn.Sequential(nn.Identity(), nn.Conv2d(3, 2, 1), nn.Dropout(), nn.Sequential())
    assert [row.name for row in layer_maps(model, IMAGES)] == ["1"]
    assert [row.name for row in layer_maps(model, IMAGES, layers=["2"])] == ["2"]


def test_a_layer_that_runs_several_times_is_given_once_a_run():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 1), relu, nn.Conv2d(4, 2, 1), relu)
    assert [row.name for row in layer_maps(model, IMAGES)] == ["0", "1", "2", "1#2"]
    both = layer_maps(model, IMAGES, layers=["1"])
    assert [(row.name, row.shape[0]) for row in both] == [("1", 4), ("1#2", 2)]
    assert [row.name for row in layer_maps(model, IMAGES, layers=["1#2"])] == ["1#2"]


def test_maps_kept_with_channels_last_are_turned(network):
    rows = by_name(layer_maps(network("ConvNext"), IMAGES))
    block = "convnext.encoder.stages.0.layers.0"
    assert rows[f"{block}.dwconv"].shape == (8, 16, 16)
    assert rows[f"{block}.layernorm"].shape == (8, 16, 16)
    assert rows[f"{block}.pwconv1"].shape == rows[f"{block}.act"].shape == (32, 16, 16)
    assert rows[f"{block}.pwconv2"].shape == (8, 16, 16)
    assert rows["convnext.embeddings.layernorm"].shape == (8, 16, 16)  # works on channels first
    turned = rows[f"{block}.pwconv1"].maps
    torch.testing.assert_close(F.gelu(turned), rows[f"{block}.act"].maps)


@pytest.mark.parametrize("name", ["paper", "conv4", "resnet8", "resnet20", "ResNet", "ConvNextV2"])
def test_every_network_shows_its_maps(network, name):
    rows = layer_maps(network(name), IMAGES)
    assert len(rows) >= 6
    assert all(row.maps.shape == (3, *row.shape) and row.maps.isfinite().all() for row in rows)


def test_a_batch_makes_no_difference(network):
    whole, one = (layer_maps(network("resnet8"), images) for images in (IMAGES, IMAGES[1:2]))
    for many, single in zip(whole, one, strict=True):
        torch.testing.assert_close(many.maps[1:2], single.maps, rtol=1e-4, atol=1e-5)


def test_nan_shows_where_it_comes_up():
    images = IMAGES.clone()
    images[0, 0, 5, 5] = torch.nan
    maps = layer_maps(nn.Sequential(nn.Conv2d(3, 2, 3)), images)[0].maps
    assert maps[0].isnan().any()
    assert not maps[1:].isnan().any()


def test_a_model_without_maps_says_what_it_has(network):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3072, 5))
    with pytest.raises(LayerError, match=r"such as a convolution; .*put out 0 \(3, 3072\), 1 \(3"):
        layer_maps(flat, IMAGES)
    vit = network("ViT")
    name = next(name for name, _ in vit.named_modules() if name.endswith("layers.0"))
    with pytest.raises(LayerError, match=r"\(3, 17, 16\).*; tokens have no rows and columns"):
        layer_maps(vit, IMAGES, layers=[name])


def test_what_holds_no_row_an_image_is_no_map():
    class Biased(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bias = nn.Conv2d(3, 2, 1), nn.Identity()

        def forward(self, images):
            return self.conv(images) + self.bias(torch.ones(1, 2, 32, 32) * 2)

    assert [row.name for row in layer_maps(Biased(), IMAGES)] == ["conv"]
    with pytest.raises(LayerError, match=r"'bias': expected maps .* got \(1, 2, 32, 32\)"):
        layer_maps(Biased(), IMAGES, layers=["bias"])


def test_layers_must_be_named_once_and_exist():
    model = build_model("conv4", (3, 32, 32), 10)
    with pytest.raises(InvalidValueError, match="layers: expected each name once, got 'block1'"):
        layer_maps(model, IMAGES, layers=["block1", "block2", "block1"])
    with pytest.raises(InvalidValueError, match="at least one name, got none"):
        layer_maps(model, IMAGES, layers=[])
    with pytest.raises(LayerError, match="got 'block9'"):
        layer_maps(model, IMAGES, layers=["block9"])
    with pytest.raises(LayerError, match="got 'block9'"):
        layer_maps(model, IMAGES, layers=["block9#2"])
    with pytest.raises(LayerError, match=r"'linear': expected maps .* got \(3, 10\)"):
        layer_maps(model, IMAGES, layers=["linear"])
    model.idle = nn.Conv2d(3, 3, 1)
    model.forward = model.block1.forward
    with pytest.raises(LayerError, match="'idle': expected a layer that runs"):
        layer_maps(model, IMAGES, layers=["idle"])


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(0, 3, 8, 8),
        torch.zeros(3, 8, 8),
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 3, 0, 8),
        [[1.0]],
        None,
    ],
)
def test_refuses_what_are_no_images(images):
    with pytest.raises(InvalidValueError, match="images: expected floats"):
        layer_maps(nn.Sequential(nn.Conv2d(3, 2, 1)), images)


def test_images_that_the_model_cannot_take_are_named():
    model = build_model("paper", (3, 32, 32), 10)
    with pytest.raises(InvalidValueError, match=r"what the model takes, got \(1, 3, 1, 1\)"):
        layer_maps(model, torch.zeros(1, 3, 1, 1))
    with pytest.raises(InvalidValueError, match=r"what the model takes, got \(1, 1, 32, 32\)"):
        layer_maps(model, torch.zeros(1, 1, 32, 32))


def test_one_pixel_will_do_where_the_model_takes_it(network):
    rows = layer_maps(network("resnet20"), torch.rand(1, 3, 1, 1))
    assert rows[-1].shape == (64, 1, 1)
