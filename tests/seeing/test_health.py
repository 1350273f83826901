import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.seeing import LayerHealth, advice, layer_health, layer_maps
from imprint.signatures import signature

IMAGES = torch.randn(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def naive(maps):
    """Dead and duplicate channels, zeros, a loop over channels in float64."""
    channels = [maps[:, i].double().flatten() for i in range(maps.shape[1])]
    dead = [i for i, channel in enumerate(channels) if not channel.any()]
    pairs = []
    for i, one in enumerate(channels):
        for j, other in enumerate(channels[:i]):
            a, b = one - one.mean(), other - other.mean()
            length = float(a.norm() * b.norm())
            if length > 1e-9 and float(a @ b) / length > 0.99:
                pairs.append((j, i))
    zeros = sum(int((channel == 0).sum()) for channel in channels) / maps.numel()
    return dead, sorted(pairs), zeros


def planted():
    """Channels 1 and 4 repeat others, 5 is dead, 6 is constant, 7 the opposite of another."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Sigmoid())
    weight, bias = model[0].weight.data, model[0].bias.data
    weight[1], bias[1] = weight[0] * 3, bias[0] * 3
    weight[4], bias[4] = weight[2], bias[2] + 0.001
    weight[5], bias[5] = 0, -1
    weight[6], bias[6] = 0, 100.1
    weight[7], bias[7] = -weight[3], -bias[3]
    return model


@given(size=st.integers(1, 24))
def test_agrees_with_a_naive_loop_whatever_the_batch_size(size):
    model = planted()
    rows = layer_health(model, IMAGES.split(size))
    assert [(row.name, row.kind) for row in rows] == [
        ("0", "Conv2d"), ("1", "ReLU"), ("2", "Conv2d"), ("3", "Sigmoid"),
    ]  # fmt: skip
    for row, layer in zip(rows, layer_maps(model, IMAGES), strict=True):
        dead, pairs, zeros = naive(layer.maps)
        assert list(row.dead) == dead
        assert list(row.duplicates) == pairs
        assert row.zeros == pytest.approx(zeros)
        assert (row.images, row.channels, row.broken) == (24, layer.shape[0], 0)
        norms = signature(layer.maps).norm(dim=1)
        assert row.signature_norm == pytest.approx(float(norms.mean()), rel=1e-5)
    assert rows[1].dead == (5,)
    assert rows[1].duplicates == ((0, 1), (2, 4))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (nn.Sigmoid(), lambda x: (x.sigmoid() <= 0.01) | (x.sigmoid() >= 0.99)),
        (nn.Tanh(), lambda x: x.tanh().abs() >= 0.98),
        (nn.Hardtanh(-2, 1), lambda x: (x <= -1.97) | (x >= 0.97)),
        (nn.ReLU6(), lambda x: x >= 5.94),
        (nn.Hardsigmoid(), lambda x: (x <= -2.94) | (x >= 2.94)),
        (nn.Softsign(), lambda x: (x / (1 + x.abs())).abs() >= 0.98),
    ],
    ids=lambda value: type(value).__name__,
)
def test_saturation_is_the_share_at_an_end_of_the_range(activation, expected):
    images = IMAGES * (40 if isinstance(activation, nn.Softsign) else 4)
    row = layer_health(nn.Sequential(activation), images.split(5))[0]
    assert row.saturation == pytest.approx(float(expected(images).float().mean()), abs=1e-4)
    assert 0 < row.saturation < 1
    assert layer_health(nn.Sequential(nn.ReLU()), [images])[0].saturation is None


def test_large_means_cost_no_digits():
    images = IMAGES * 0.01 + 1000
    model = nn.Sequential(nn.Identity(), nn.Conv2d(3, 3, 1, groups=3, bias=False))
    nn.init.constant_(model[1].weight, 1.0)
    assert layer_health(model, images.split(7))[0].duplicates == ()
    doubled = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
    nn.init.constant_(doubled[0].weight, 1.0)
    assert layer_health(doubled, images.split(7))[0].duplicates == ((0, 1),)


def test_units_that_are_no_numbers_are_counted_and_hurt_nothing_else():
    images = IMAGES.clone()
    images[3, 0, 4, 4] = torch.nan
    images[5, 1, 0, 0] = torch.inf
    row = layer_health(nn.Sequential(nn.MaxPool2d(1)), images.split(6))[0]
    assert row.broken == pytest.approx(2 / images.numel())
    assert row.signature_norm == row.signature_norm  # a number
    assert row.duplicates == ()
    assert "NaN or infinite" in advice(row)


def test_a_handful_of_values_makes_no_duplicates():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1))
    assert layer_health(model, [IMAGES[:3]], layers=["1"])[0].duplicates == ()


def test_layers_can_be_named_and_runs_are_counted_apart():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 1), relu, nn.Conv2d(4, 2, 1), relu)
    rows = layer_health(model, IMAGES.split(9), layers=["1"])
    assert [(row.name, row.channels, row.images) for row in rows] == [("1", 4, 24), ("1#2", 2, 24)]


@pytest.mark.parametrize("name", ["resnet8", "ResNet", "ConvNext", "conv4"])
def test_works_on_every_network(network, name):
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rows = layer_health(network(name), images.split(3))
    assert len(rows) >= 6
    assert all(row.images == 4 and row.broken == 0 and row.signature_norm >= 0 for row in rows)


def test_bad_input_is_told(network):
    model = planted()
    with pytest.raises(InvalidValueError, match="batches: expected at least one, got none"):
        layer_health(model, iter(()))
    with pytest.raises(InvalidValueError, match="expected each name once, got '0' twice"):
        layer_health(model, [IMAGES], layers=["0", "0"])
    with pytest.raises(InvalidValueError, match="what the model takes"):
        layer_health(model, [IMAGES[:, :, :1, :1]])
    with pytest.raises(LayerError, match="expected a layer that puts out maps"):
        layer_health(nn.Sequential(nn.Flatten()), [IMAGES])


HEALTHY = LayerHealth("relu1", "ReLU", 100, 20, (), (), None, 0.4, 3.0, 0.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"dead": (3,)}, ""),
        ({"dead": (3, 4)}, "2 of 20 channels never answer: "),
        ({"dead": tuple(range(20))}, "No channel answers to any image: "),
        ({"duplicates": ((0, 1), (0, 2), (1, 2))}, "2 of 20 channels repeat another one: "),
        ({"duplicates": ((0, 1),)}, ""),
        ({"saturation": 0.7}, "70% of the units lie at an end"),
        ({"saturation": 0.2}, ""),
        ({"broken": 0.25, "dead": (1, 2, 3)}, "25.00% of the units are NaN or infinite: "),
        ({"broken": 1e-9}, "0.01% of the units are NaN or infinite: "),
    ],
)
def test_advice_is_for_what_weighs_most(change, told):
    sentence = advice(LayerHealth(**{**vars(HEALTHY), **change}))
    assert sentence.startswith(told)
    assert bool(sentence) == bool(told)
    assert not sentence or sentence.endswith(".")


def test_on_digits_what_was_planted_in_a_trained_network_is_found(trained):
    model = copy.deepcopy(trained.model)
    batches = trained.images[:500].split(100)
    before = layer_health(model, batches, layers=["conv2", "relu2"])[1]
    weight, bias = model.conv2.weight.data, model.conv2.bias.data
    lively = [i for i in range(20) if i not in before.dead][:4]
    weight[lively[0]], bias[lively[0]] = 0, -1
    weight[lively[1]], bias[lively[1]] = 1.5 * weight[lively[3]], 1.5 * bias[lively[3]]
    after = layer_health(model, batches, layers=["relu2"])[0]
    assert set(after.dead) == {*before.dead, lively[0]}
    assert set(after.duplicates) - set(before.duplicates) >= {(lively[1], lively[3])}
    for layer in layer_health(build_model("paper", (1, 28, 28), 10), batches):
        assert layer.duplicates == ()
