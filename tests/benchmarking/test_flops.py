import pytest
import torch
from torch import nn

from imprint.benchmarking.flops import step_flops
from imprint.models import build_model


def test_a_linear_layer_by_hand():
    """Forward 2·n·m; backward as much for its weights, and none for the images."""
    flops = step_flops(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2))
    assert flops == (2 * 12 * 5, 0, 2 * 2 * 12 * 5)


def test_a_gate_parts_the_step_where_it_stands():
    """Two linear layers: what leaves after the first is spared the second."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    flops = step_flops(model, (1, 2, 2), layer="1")
    assert flops.entered == pytest.approx(2 * 2 * 4 * 6)
    assert flops.trained == pytest.approx(3 * 2 * 6 * 3)


def test_the_networks_for_cifar_keep_to_their_bound():
    assert step_flops(build_model("resnet8", (3, 32, 32), 10), (3, 32, 32)).forward < 12e6


def test_the_model_is_left_as_it_was():
    model = build_model("conv4", (1, 28, 28), 10).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step_flops(model, (1, 28, 28), layer="block1")
    assert not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
