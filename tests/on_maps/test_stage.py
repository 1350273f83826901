"""Maps before and after an activation, in modules and in functions, and a guest left as it was."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.on_maps import activation_after, stage_maps

IMAGES = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))

ACTIVATIONS = [
    *(nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU()),
    *(nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Hardswish()),
    *(nn.Hardsigmoid(), nn.Hardtanh(), nn.Sigmoid(), nn.LogSigmoid(), nn.Tanh(), nn.Softplus()),
    *(nn.Softsign(), nn.Threshold(0.1, 0.0)),
]
BETWEEN = [
    *(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveMaxPool2d(3)),
    *(nn.AdaptiveAvgPool2d(3), nn.FractionalMaxPool2d(2, output_size=3), nn.BatchNorm2d(4)),
    *(nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm([4, 14, 14]), nn.Dropout()),
    *(nn.LocalResponseNorm(2), nn.Dropout2d(), nn.AlphaDropout(), nn.Identity()),
]


def kind(module):
    return type(module).__name__


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=kind)
def test_each_of_pytorchs_activations_is_found(activation):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), activation).eval()
    maps = stage_maps(model, "0", "after-activation", IMAGES)
    assert torch.equal(maps, model(IMAGES))


@pytest.mark.parametrize("between", BETWEEN, ids=kind)
def test_what_may_stand_between_is_passed(between):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), between, nn.ReLU()).eval()
    if not isinstance(between, nn.FractionalMaxPool2d):  # draws its places anew each time
        maps = stage_maps(model, "0", "after-activation", IMAGES)
        assert torch.equal(maps, model(IMAGES))
    assert activation_after(model, "0", IMAGES) == ("relu", False)


def test_the_papers_stage_is_after_pooling_and_relu():
    model = build_model("paper", (1, 16, 16), 10).eval()
    before = stage_maps(model, "conv1", "before-activation", IMAGES)
    after = stage_maps(model, "conv1", "after-activation", IMAGES)
    assert torch.equal(before, model.conv1(IMAGES))
    assert torch.equal(after, model.relu1(model.pool1(model.conv1(IMAGES))))
    assert before.min() < 0 <= after.min()


class Block(nn.Module):
    """Activations as functions, and a shortcut."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 1)

    def forward(self, images):
        inner = F.relu(self.conv1(images))
        outer = F.elu(self.conv2(inner) + inner)
        return self.twice(self.twice(outer)).tanh().mean((2, 3))


def test_functions_and_shortcuts_are_followed():
    model = Block().eval()
    inner = F.relu(model.conv1(IMAGES))
    summed = F.elu(model.conv2(inner) + inner)
    assert torch.equal(stage_maps(model, "conv1", "after-activation", IMAGES), inner)
    assert torch.equal(stage_maps(model, "conv2", "after-activation", IMAGES), summed)
    assert activation_after(model, "conv2", IMAGES) == ("elu", False)


def test_of_a_layer_that_runs_twice_the_first_run_counts():
    model = Block().eval()
    inner = F.relu(model.conv1(IMAGES))
    once = model.twice(F.elu(model.conv2(inner) + inner))
    assert torch.equal(stage_maps(model, "twice", "before-activation", IMAGES), once)


def test_a_layer_that_ends_in_its_activation_is_after_it():
    model = build_model("conv4", (1, 16, 16), 10).eval()
    maps = stage_maps(model, "block1", "after-activation", IMAGES)
    assert torch.equal(maps, model.block1(IMAGES))
    with pytest.raises(LayerError, match="'block1': expected one before its activation"):
        stage_maps(model, "block1", "before-activation", IMAGES)


@pytest.mark.parametrize(
    ("layer", "stage", "message"),
    [
        ("pool", "after-activation", "layer 'pool': expected one that an activation follows"),
        ("linear", "before-activation", r"layer 'linear': expected maps \(3, C, H, W\), got \(3,"),
        ("nope", "before-activation", "layer: expected one of the model's"),
    ],
)
def test_layers_that_will_not_do_are_named(layer, stage, message):
    with pytest.raises(LayerError, match=message):
        stage_maps(build_model("conv4", (1, 16, 16), 10), layer, stage, IMAGES)


def test_an_unknown_stage_is_refused():
    with pytest.raises(InvalidValueError, match="stage: expected before-activation or after"):
        stage_maps(nn.ReLU(), "0", "after", IMAGES)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

    def forward(self, images):
        return self.used(images)


def test_a_layer_that_does_not_run_is_named():
    with pytest.raises(LayerError, match="layer 'spare': did not run"):
        stage_maps(Unused(), "spare", "before-activation", IMAGES)


@pytest.mark.parametrize("layer", ["block2.0", "pool"])
def test_the_guest_is_left_as_it_was(layer):
    model = build_model("conv4", (1, 16, 16), 10).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    try:
        stage_maps(model, layer, "after-activation", IMAGES)
    except LayerError:
        assert layer == "pool"
    assert model.training
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
