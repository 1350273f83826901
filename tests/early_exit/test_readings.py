from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

from imprint.early_exit import Head
from imprint.early_exit import exit_layers as layers_module
from imprint.early_exit.costs import measure_costs, network_costs
from imprint.early_exit.exit_layers import exit_layers
from imprint.early_exit.overlap import warn_of_overlap
from imprint.early_exit.readings import read_layers
from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.signatures import signature
from imprint.taps import maps_at
from imprint.types import ImageSet, Normalisation

IMAGES = torch.rand(10, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % 3


@pytest.fixture
def model():
    return build_model("conv4", (3, 16, 16), 3).train()


def test_readings_are_the_layers_own(model):
    pairs = [(IMAGES[:4], LABELS[:4]), (IMAGES[4:], LABELS[4:])]
    read = read_layers(model, ["block1", "block3"], pairs)
    assert model.training
    for k, layer in enumerate(("block1", "block3")):
        expected = signature(maps_at(model, layer, IMAGES))
        torch.testing.assert_close(read.features["probe"][k], expected, rtol=1e-4, atol=1e-4)
        assert read.features["probe"][k] is read.features["prototype"][k]
        assert read.features["mlp"][k].dtype == torch.bfloat16
    with torch.no_grad():
        torch.testing.assert_close(read.logits, model.eval()(IMAGES), rtol=1e-4, atol=1e-4)
    assert read.labels.equal(LABELS)


def test_enough_is_enough(model):
    pairs = ((IMAGES[k : k + 2], LABELS[k : k + 2]) for k in range(0, 10, 2))
    assert len(read_layers(model, ["block1"], pairs, most=3).labels) == 4


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "data: expected at least one sample, got none"),
        ([(IMAGES, LABELS + 1)], r"labels: expected values in 0 … K-1.* got 1 … 3 for 3 logits"),
        ([(IMAGES, LABELS[:4])], r"model: expected logits \(4, K\), got \(10, 3\)"),
    ],
)
def test_mistakes_are_told(model, pairs, message):
    with pytest.raises(InvalidValueError, match=message):
        read_layers(model, ["block1"], pairs)


def test_overlap_is_told_by_indices_alone(recwarn):
    dataset = TensorDataset(torch.arange(10.0))
    inner = Subset(dataset, range(5, 10))
    warn_of_overlap(Subset(dataset, range(5)), inner)
    warn_of_overlap(dataset, TensorDataset(torch.arange(10.0)))
    warn_of_overlap(iter([]), [1, 2])
    drawn = [
        DataLoader(dataset, 2, sampler=SubsetRandomSampler(range(start, start + 5)))
        for start in (0, 5, 4)
    ]
    warn_of_overlap(drawn[0], drawn[1])
    warn_of_overlap(dataset, DataLoader(dataset, 2, sampler=iter([1, 2])))  # does not tell
    assert not recwarn
    with pytest.warns(UserWarning, match="1 of 5 are in fit_on"):
        warn_of_overlap(drawn[0], drawn[2])
    pixels = ImageSet(torch.zeros(4, 1, 2, 2).byte(), torch.arange(4) % 2, ("a", "b"))
    with pytest.warns(UserWarning, match="4 of 4 are in fit_on"):
        warn_of_overlap(pixels, replace(pixels, normalisation=Normalisation((0.0,), (1.0,))))
    with pytest.warns(UserWarning, match="1 of 2 are in fit_on"):
        warn_of_overlap(DataLoader(Subset(dataset, [6, 7])), Subset(inner, [1, 4]))


def test_layers_are_found_in_their_order_and_end_before_the_last(model):
    found = exit_layers(model, IMAGES)
    assert 2 <= len(found) <= 8
    assert "linear" not in found
    finished = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: finished.append(name))
    model(IMAGES)
    assert found == sorted(found, key=finished.index)
    assert exit_layers(model, IMAGES, ["block3", "block1"]) == ["block1", "block3"]


def test_layers_that_the_next_one_changes_in_place_are_read_before_it_does():
    layers = (nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(784, 5), nn.Linear(5, 2))
    plain, changed = (
        nn.Sequential(
            layers[0], nn.ReLU(inplace=inplace), *layers[1:3], nn.ReLU(inplace=inplace), layers[3]
        ).eval()
        for inplace in (False, True)
    )
    found = exit_layers(changed, IMAGES)
    assert "0" in found  # a search finds such layers
    expected, read = (
        read_layers(own, ["0", "3"], [(IMAGES, LABELS % 2)]) for own in (plain, changed)
    )
    for kind, features in read.features.items():
        for k, own in enumerate(features):
            torch.testing.assert_close(own, expected.features[kind][k])


def test_a_layer_that_data_pass_around_is_refused_with_those_that_would_do():
    residual = build_model("resnet8", (3, 16, 16), 3)
    with pytest.raises(LayerError, match=r"'layer1.0.conv1': .*would do: stem"):
        exit_layers(residual, IMAGES, ["layer1.0.conv1"])


def test_without_a_layer_that_comes_early_enough_there_is_none(monkeypatch):
    monkeypatch.setattr(layers_module, "LATE", 0.0)
    with pytest.raises(LayerError, match="expected some through which all data flow, found none"):
        exit_layers(nn.Sequential(nn.Flatten()), IMAGES)


def test_costs_grow_with_depth(model):
    heads = {"probe": [Head(torch.zeros(3, 2 * width), torch.zeros(3)) for width in (16, 64)]}
    costs = measure_costs(model, ["block1", "block3"], IMAGES, heads)["probe"]
    assert 0 < costs.layers[0] < costs.layers[1] < costs.whole
    assert (costs.heads > 0).all()
    assert costs.idle is None
    assert model.training
    closed = measure_costs(model, ["block1"], IMAGES, {"probe": heads["probe"][:1]}, idle=True)
    assert (closed["probe"].idle > 0).all()


def test_what_a_batch_costs_however_few_its_rows_lies_between_nothing_and_all(model):
    costs = network_costs(model, ["block1", "block3"], IMAGES)
    assert costs.batch_size == 10
    stretches = costs.fixed.diff(prepend=torch.zeros(1))
    assert (stretches >= 0).all()
    assert (stretches <= costs.ends.diff(prepend=torch.zeros(1)) + 1e-9).all()


def test_batches_that_a_loader_draws_by_itself_are_known():
    dataset = TensorDataset(torch.arange(40.0))
    one, other = (
        DataLoader(dataset, batch_sampler=BatchSampler(SubsetRandomSampler(rows), 10, False))
        for rows in (range(20), range(20, 40))
    )
    warn_of_overlap(one, other)
    with pytest.warns(UserWarning, match="20 of 20 are in fit_on"):
        warn_of_overlap(dataset, other)
    with pytest.warns(UserWarning, match="40 of 40 are in fit_on"):
        warn_of_overlap(DataLoader(dataset, batch_size=None), dataset)  # of batches already
