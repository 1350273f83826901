import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from imprint.models import build_model
from imprint.taps import candidate_layers, candidates, carries_all_data, spread


class Tangled(nn.Module):
    """A branch, a layer that runs twice, one that is idle, and one without rows."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1)
        self.branch = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Tanh())
        self.twice = nn.Tanh()
        self.idle = nn.Conv2d(2, 2, 1)
        self.scale = nn.Linear(1, 1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        maps = self.stem(images)
        maps = self.twice(self.twice(maps + self.branch(maps)))
        return self.drop(self.head(maps * self.scale(torch.ones(1))))


def test_only_layers_that_all_data_flow_through():
    model = Tangled()
    assert candidate_layers(model, torch.rand(2, 1, 4, 4)) == ["stem", "head.0", "head"]


def test_within_a_layer_that_data_pass_by_none_is_looked_at(monkeypatch):
    asked = []

    def note(model, name, *images):
        asked.append(name)
        return carries_all_data(model, name, *images)

    monkeypatch.setattr(candidates, "carries_all_data", note)
    candidate_layers(Tangled(), torch.rand(2, 1, 4, 4))
    assert "branch" in asked
    assert not {"branch.0", "branch.1"} & set(asked)


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten())
    mean, random = model[1].running_mean.clone(), torch.get_rng_state()
    candidate_layers(model, torch.rand(4, 1, 4, 4, generator=torch.Generator()))
    assert torch.equal(model[1].running_mean, mean)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_of_layers_with_the_same_maps_the_outermost_stands():
    names = candidate_layers(build_model("resnet20", (3, 32, 32), 10), torch.rand(2, 3, 32, 32))
    assert {"stem", "layer1", "layer1.0", "layer1.1", "layer2.1"} <= set(names)
    assert not {"stem.1", "stem.2", "layer1.2", "layer1.1.shortcut"} & set(names)


def test_layers_are_looked_into_until_there_are_enough():
    model, images = build_model("conv4", (1, 8, 8), 2), torch.rand(2, 1, 8, 8)
    outer = ["block1", "block2", "block3", "block4", "pool", "flatten", "linear"]
    assert candidate_layers(model, images, enough=7) == outer
    assert set(outer) < set(candidate_layers(model, images, enough=8))


@pytest.mark.parametrize("family", ["ConvNext", "ViT"])
def test_networks_of_transformers(family):
    import transformers

    small = {
        "ConvNext": {"depths": [1, 2], "hidden_sizes": [8, 16], "num_stages": 2, "patch_size": 2},
        "ViT": {
            "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
            "intermediate_size": 16, "image_size": 16, "patch_size": 8,
        },
    }[family]  # fmt: skip
    config = getattr(transformers, f"{family}Config")(**small)
    model = getattr(transformers, f"{family}ForImageClassification")(config)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator())
    names = candidate_layers(model, images)
    assert len(names) >= 5
    assert all(carries_all_data(model, name, images) for name in names)


@given(gaps=st.lists(st.floats(0, 10), min_size=1, max_size=40), most=st.integers(1, 15))
def test_spreading_keeps_the_first_the_order_and_no_more_than_asked(gaps, most):
    seconds = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    names = [str(i) for i in range(len(gaps))]
    chosen = spread(names, seconds, most=most)
    assert chosen[0] == "0"
    assert len(chosen) <= most
    assert chosen == sorted(chosen, key=int)
