"""What `see` sees of a network, what it refuses, and that it leaves a guest as it was."""

import copy

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import layer_maps, top_patches
from imprint.sight import SeeSettings, see
from imprint.types import ImageSet, Normalisation

NAMES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def images():
    pixels = torch.randint(
        256, (24, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return ImageSet(pixels, torch.arange(24) % 3, NAMES)


@pytest.fixture(scope="module")
def network():
    return build_model("conv4", (3, 16, 16), 3).eval()


@pytest.fixture(scope="module")
def sight(network, images):
    return see(network, images, name="conv4")


def test_each_layer_has_a_row_in_order(sight, network, images):
    rows = sight.result["layers"]
    expected = layer_maps(network, torch.rand(1, 3, 16, 16))
    assert [row["name"] for row in rows] == [row.name for row in expected]
    assert [row["channels"] for row in rows] == [row.shape[0] for row in expected]


def test_ways_are_of_images_of_different_classes(sight):
    assert [answer["label"] for answer in sight.result["answers"]] == list(NAMES)
    for answer in sight.result["answers"]:
        assert sum(row["probability"] for row in answer["classes"]) == pytest.approx(1, abs=1e-4)


def test_what_is_looked_at_has_the_images_size(sight):
    assert sight.result["cam_layer"] == "block4.2"
    for way in sight.ways:
        assert way.cam.shape == way.covered.shape == (16, 16)


def test_patches_are_those_of_the_strongest_channels(sight, network, images):
    from imprint.data import normalisation, normalise

    taken = normalise(images.images, normalisation(images.images))
    for layer in sight.patches:
        top = top_patches(network, layer.layer, [taken])
        strongest = top.values[:, 0].argsort(descending=True, stable=True)[:4].tolist()
        assert [seen.patches.channel for seen in layer.channels] == strongest
        for seen in layer.channels:
            assert torch.equal(seen.patches.index, top.of(seen.patches.channel).index)
            assert len(seen.projections) == len(seen.patches.index)


def test_asked_layers_and_channels_alone(network, images):
    settings = SeeSettings(layers=("block2.0",), channels=(5, 3))
    sight = see(network, images, settings=settings)
    assert [row["name"] for row in sight.result["layers"]] == ["block2.0"]
    assert [row["channel"] for row in sight.result["patches"]] == [5, 3]
    assert sight.result["cam_layer"] == "block2.0"


def test_one_picture_beside_the_images(network, images):
    sight = see(network, images, image=images.images[3])
    assert [answer["name"] for answer in sight.result["answers"]] == ["the picture"]
    assert sight.result["images"] == 24


def test_one_image_has_a_way_and_no_patches(network, images):
    sight = see(network, images.images[:1])
    assert len(sight.ways) == 1
    assert sight.patches == ()


def test_floats_are_taken_as_they_are(network, images):
    scale = Normalisation((0.0,) * 3, (1.0,) * 3)
    from_bytes = see(network, images.images, normalisation=scale)
    from_floats = see(network, images.images.float() / 255)
    assert from_bytes.result["answers"] == from_floats.result["answers"]


def test_the_network_is_a_guest(images):
    model = build_model("resnet8", (3, 16, 16), 3)
    model.layer3.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    state = torch.get_rng_state()
    see(model, images)
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(not module._forward_hooks for module in model.modules())


def test_a_network_that_does_not_classify_still_has_maps(images):
    sight = see(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), images)
    assert "expected logits" in sight.result["unanswered"]
    assert sight.ways[0].covered is None
    assert len(sight.ways[0].maps) == 2


def test_why_a_layer_is_not_projected_is_said(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid())
    sight = see(model, images, settings=SeeSettings(layers=("1",)))
    assert "Sigmoid" in sight.result["unprojected"]["1"]


def test_dead_channels_are_no_hindrance(images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    nn.init.constant_(model[0].weight, 0)
    nn.init.constant_(model[0].bias, -1)
    sight = see(model, images, settings=SeeSettings(layers=("1",)))
    assert sight.result["layers"][0]["dead"] == [0, 1, 2, 3]
    assert sight.result["patches"] == []


def test_broken_weights_are_shown(images):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    model[0].weight.data[0].fill_(torch.nan)
    sight = see(model, images)
    assert sight.result["layers"][0]["broken"] == pytest.approx(0.25)
    assert "finite" in sight.result["unanswered"]


@pytest.mark.parametrize("family", ["ResNet", "ConvNext"])
def test_networks_that_no_one_here_wrote(family, images):
    transformers = pytest.importorskip("transformers")
    small = {"depths": [1, 1], "hidden_sizes": [8, 16]}
    more = {"embedding_size": 8} if family == "ResNet" else {"num_stages": 2, "patch_size": 2}
    config = getattr(transformers, f"{family}Config")(**small, **more)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{family}ForImageClassification")(config).eval()
    sight = see(model, images)
    assert sight.result["cam_layer"]
    assert sight.result["answers"][0]["classes"]


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"layers": ("nowhere",)}, LayerError, "nowhere"),
        ({"layers": ("block1.0", "block1.0")}, InvalidValueError, "twice"),
        ({"layers": ("linear",)}, LayerError, "expected maps"),
        ({"layers": ("block1.0",), "channels": (99,)}, InvalidValueError, "channels: expected 0"),
    ],
)
def test_what_the_network_does_not_have_is_refused(network, images, settings, error, said):
    with pytest.raises(error, match=said):
        see(network, images, settings=SeeSettings(**settings))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (torch.zeros(2, 3, 16, 16, dtype=torch.int64), "expected bytes or floats"),
        (torch.zeros(0, 3, 16, 16), "expected bytes or floats"),
        (torch.zeros(2, 1, 16, 16), "expected what the model takes"),
    ],
)
def test_images_that_are_none_are_refused(network, wrong, said):
    with pytest.raises(InvalidValueError, match=said):
        see(network, wrong)


def test_a_network_without_maps_is_refused(images):
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    with pytest.raises(LayerError, match="expected a layer that puts out maps"):
        see(model, images)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"channels": (1,)}, "channels: expected none without a layer"),
        ({"layers": ("a",), "channels": ()}, "channels: expected numbers"),
        ({"layers": ("a",), "channels": (-1,)}, "channels: expected numbers"),
        ({"ways": 0}, "ways: expected at least 1"),
        ({"batch_size": 0}, "batch_size: expected at least 1"),
    ],
)
def test_settings_out_of_range(given, said):
    with pytest.raises(InvalidValueError, match=said):
        SeeSettings(**given)
