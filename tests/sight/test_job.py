"""What `see` sees of a network, what it refuses, and that it leaves a guest as it was."""

import copy
import warnings

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import layer_maps, top_patches
from imprint.sight import SeeSettings, see
from imprint.types import DataPart, ImageSet, Normalisation, Unreadable

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
        ({"images": 0}, "images: expected at least 1"),
    ],
)
def test_settings_out_of_range(given, said):
    with pytest.raises(InvalidValueError, match=said):
        SeeSettings(**given)


def classifier(answers, channels=3):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, answers),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "answers", "expected"),
    [
        ((), 3, NAMES),
        (("x", "y", "z"), 3, ("x", "y", "z")),
        (("a", "b", "c", "d"), 4, ("a", "b", "c", "d")),
        ((), 2, ("class 0", "class 1")),
        (("x", "y"), 4, ("class 0", "class 1", "class 2", "class 3")),
    ],
)
def test_answers_bear_names_that_fit_them(images, given, answers, expected):
    sight = see(classifier(answers), images, class_names=given)
    assert sight.result["class_names"] == list(expected)
    assert sight.result["label_names"] == list(NAMES)
    for answer in sight.result["answers"]:
        assert {row["name"] for row in answer["classes"]} == set(expected)
        assert answer["label"] in NAMES


def test_some_of_many_are_spread_and_keep_their_places(network, images):
    part = DataPart(images, unreadable=[Unreadable("x.png", 0, "x.png: no image")])
    sight = see(network, part, settings=SeeSettings(images=4))
    assert (sight.result["images"], sight.result["all_images"]) == (4, 24)
    assert {place for row in sight.result["patches"] for place in row["images"]} == {0, 8, 15, 23}
    assert [row["name"] for row in sight.result["answers"]] == [
        "image 0 (cat)", "image 8 (owl)", "image 15 (cat)",
    ]  # fmt: skip
    assert sight.result["unreadable_files"] == [{"path": "x.png", "reason": "x.png: no image"}]


def test_images_are_named_by_their_files(network, images):
    part = DataPart(images, [f"pets/{k}.png" for k in range(24)])
    sight = see(network, part, settings=SeeSettings(images=2, ways=1))
    assert sight.result["answers"][0]["name"] == "pets/0.png (cat)"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_floating_type(images, kind):
    model = classifier(3).to(kind)
    sight = see(model, images)
    assert {value.dtype for value in model.state_dict().values()} == {kind}
    assert sight.ways[0].maps[0].maps.dtype == kind
    assert sight.result["cam_layer"] == "1"
    assert all(row.projections for layer in sight.patches for row in layer.channels)
    assert sight.ways[0].covered.abs().max() > 0


class Odd(nn.Module):
    """A network that is not called as others are."""

    def __init__(self):
        super().__init__()
        self.inner = classifier(3)


class ByName(Odd):
    def forward(self, *, pixel_values):
        return self.inner(pixel_values)


class Training(Odd):
    def forward(self, images):
        assert self.training, "only in training"
        return self.inner(images)


class Detached(Odd):
    def forward(self, images):
        with torch.no_grad():
            return self.inner(images)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ByName(), r"TypeError: .*takes 1 positional argument"),
        (Training(), "AssertionError: only in training"),
    ],
)
def test_a_guests_own_errors_are_told_in_a_line(images, model, said):
    with pytest.raises(InvalidValueError, match=f"expected what the model takes, got .*{said}"):
        see(model, images)


def test_what_needs_gradients_is_missing_where_a_network_has_none(images):
    sight = see(Detached(), images)
    assert "the logits depend on by a gradient" in sight.result["cam_unseen"]
    assert "cut off from it, by detach" in next(iter(sight.result["unprojected"].values()))
    boxes = [box for row in sight.result["patches"] for box in row["boxes"]]
    assert boxes == [[0, 0, 16, 16]] * len(boxes)
    assert sight.ways[0].covered is not None


def test_a_scripted_network_is_refused(images):
    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.script(classifier(3))
    with pytest.raises(InvalidValueError, match="hooks, got one scripted"):
        see(scripted, images)


def test_a_compiled_network_is_looked_at_as_it_was_built(images):
    plain = classifier(3)
    compiled, expected = torch.compile(plain, backend="eager"), see(plain, images).result
    found = see(compiled, images).result
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}


def test_channels_are_checked_also_where_there_are_no_patches(network, images):
    settings = SeeSettings(layers=("block1.0", "block2.0"), channels=(16,))
    with pytest.raises(InvalidValueError, match=r"channels: expected 0 … 15 of layer 'block1.0'"):
        see(network, images.images[:1], settings=settings)


class Again(nn.Module):
    """A network whose last layer runs twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, images):
        return self.relu(self.conv(self.relu(self.conv(images)) + images)).mean((2, 3))


def test_why_layers_that_run_twice_have_no_grad_cam(images):
    unseen = see(Again(), images).result["cam_unseen"]
    assert "layer 'relu': expected one that runs once, got 2 runs" in unseen


@pytest.mark.parametrize(
    ("image", "got"),
    [
        ("cat.png", "str"),
        (torch.zeros(3, 16, 16), r"\(3, 16, 16\) of torch.float32"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"\(3, 8, 8\) of torch.uint8"),
    ],
)
def test_a_picture_unlike_the_images_is_refused(network, images, image, got):
    expected = r"image: expected \(3, 16, 16\) of torch.uint8, as the images"
    with pytest.raises(InvalidValueError, match=f"{expected}, got {got}"):
        see(network, images, image=image)
