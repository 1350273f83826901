import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imprint import ProgressiveFreezing, SkipGate
from imprint.errors import InvalidValueError, LayerError
from imprint.skipping.freezing import check_times

IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8) % 2


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


class Around(nn.Module):
    """A network whose second branch passes around the first."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 1, 3, padding=1), nn.Linear(64, 2)

    def forward(self, images):
        return self.second((images + self.first(images)).flatten(1))


class Twice(nn.Module):
    """A network that uses one weight before a layer and behind it."""

    def __init__(self):
        super().__init__()
        self.own, self.shared, self.tap = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()
        self.last = nn.Linear(4, 2)

    def forward(self, rows):
        rows = self.tap(self.shared(self.own(rows)))
        return self.last(self.shared(rows))


def trained(model):
    return [name for name, weight in model.named_parameters() if weight.requires_grad]


def first_with_gradient(model):
    return next(name for name, weight in model.named_parameters() if weight.grad is not None)


def steps(model, optimizer, n=3, **zero):
    for _ in range(n):
        F.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        optimizer.zero_grad(**zero)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)


def test_what_is_due_is_frozen_and_the_rest_has_the_gradients_that_it_had():
    model = network().double()
    F.cross_entropy(model(IMAGES.double()), LABELS).backward()
    whole = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    freezing = ProgressiveFreezing(model, IMAGES.double(), {"1": 0.5, "0": 0.2})
    for done, frozen in ((0, ()), (0.2, ("0.",)), (0.49, ("0.",)), (0.5, ("0.", "1."))):
        model.zero_grad()
        with freezing.at(done):
            F.cross_entropy(model(IMAGES.double()), LABELS).backward()
        for name, weight in model.named_parameters():
            if name.startswith(frozen):
                assert weight.grad is None
            else:
                torch.testing.assert_close(weight.grad, whole[name])


@given(st.integers(1, 300), st.integers(0, 300))
@settings(max_examples=50, deadline=None)
def test_a_share_means_the_epoch_that_one_expects(epochs, epoch):
    freezing = ProgressiveFreezing(network(), IMAGES, {"0": min(epoch, epochs) / epochs})
    begun = [e for e in range(epochs) if freezing.frozen(e / epochs)]
    assert begun == list(range(min(epoch, epochs), epochs))


@pytest.mark.parametrize("to_none", [True, False])
def test_frozen_weights_stay_and_others_go_as_if_one_had_frozen_by_hand(to_none):
    ours = network()
    by_hand = copy.deepcopy(ours)
    freezing, optimizer = ProgressiveFreezing(ours, IMAGES, {"0": 0.5}), sgd(ours)
    steps(ours, optimizer, set_to_none=to_none)
    with freezing.at(0.5):
        before = [weight.clone() for weight in ours[0].parameters()]
        steps(ours, optimizer, set_to_none=to_none)
    assert all(torch.equal(*pair) for pair in zip(before, ours[0].parameters(), strict=True))
    other = sgd(by_hand)
    steps(by_hand, other)
    by_hand[0].requires_grad_(requires_grad=False)
    steps(by_hand, other)
    for a, b in zip(ours.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_guest_is_as_it_was_also_after_an_error():
    model = network().train()
    model[1][0].bias.requires_grad = False  # the user's own choice
    state = copy.deepcopy(model.state_dict())
    random, before = torch.get_rng_state(), trained(model)
    freezing = ProgressiveFreezing(model, IMAGES, {"1": 0.0})
    with freezing.at(0.3):
        assert trained(model) == ["3.weight", "3.bias"]
    with pytest.raises(KeyError), freezing.at(0.3):
        raise KeyError
    assert trained(model) == before
    assert model.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_weight_that_also_serves_behind_the_layer_trains_on():
    freezing = ProgressiveFreezing(model := Twice(), torch.rand(2, 4), {"tap": 0.0})
    with freezing.at(0):
        assert trained(model) == ["shared.weight", "shared.bias", "last.weight", "last.bias"]


def test_it_goes_with_a_gate_and_with_a_compiled_network():
    model = network()
    gate = SkipGate(model, layer="0", num_classes=2, keep=0.5, rule="random")
    freezing = ProgressiveFreezing(model, IMAGES, {"0": 0.5})
    with freezing.at(0.5):
        with gate(LABELS):
            logits = model(IMAGES)
        F.cross_entropy(logits, gate.labels).backward()
    assert len(logits) == 4
    assert first_with_gradient(model) == "1.0.weight"
    model.zero_grad()
    compiled = torch.compile(model, backend="aot_eager")
    for done, first in ((0, "0.0.weight"), (0.5, "1.0.weight"), (0, "0.0.weight")):
        with freezing.at(done):
            F.cross_entropy(compiled(IMAGES), LABELS).backward()
        assert first_with_gradient(model) == first
        model.zero_grad()


@pytest.mark.parametrize(
    ("model", "times", "error", "message"),
    [
        (network(), {}, InvalidValueError, "expected one at least, got none"),
        (network(), {"0": 1.5}, InvalidValueError, r"'0': expected a share in \[0, 1\], got 1.5"),
        (network(), {"0": float("nan")}, InvalidValueError, "got nan"),
        (network(), {"9": 0.5}, LayerError, "got '9'"),
        (network(), {"3": 0.5}, LayerError, "'3': expected one with weights that train behind"),
        (Around(), {"first": 0.5}, LayerError, "all data flow through"),
        (
            nn.Sequential(nn.ReLU(), *network()),
            {"0": 0.1},
            LayerError,
            "train before it, got none there",
        ),
    ],
)
def test_what_cannot_be_frozen_is_told(model, times, error, message):
    with pytest.raises(error, match=message):
        ProgressiveFreezing(model, IMAGES, times)


class Heads(nn.Module):
    """Two answers, one of which is there in training alone, and a weight of the loss."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.stem, self.body = nn.Linear(4, 4), nn.Linear(4, 4)
        self.head, self.aid, self.temperature = nn.Linear(4, 2), nn.Linear(4, 2), nn.Linear(1, 1)

    def forward(self, rows):
        features = self.body(self.stem(rows).relu())
        answers = {"features": features, "logits": self.head(features)}
        if self.training:
            answers["aid"] = self.aid(features)
        return answers if self.form is dict else tuple(answers.values())


@pytest.mark.parametrize("form", [dict, tuple])
def test_all_that_lies_behind_the_layer_goes_on_learning(form):
    model = Heads(form).train()
    with ProgressiveFreezing(model, torch.rand(2, 4), {"stem": 0.5}).at(0.5):
        assert trained(model) == [
            f"{name}.{part}"
            for name in ("body", "head", "aid", "temperature")
            for part in ("weight", "bias")
        ]


def test_a_layer_that_one_behind_it_freezes_sooner_is_told():
    message = "layer '0': expected at most 0.1, when '1' behind it freezes it too; got 0.9"
    with pytest.raises(InvalidValueError, match=message):
        ProgressiveFreezing(network(), IMAGES, {"0": 0.9, "1": 0.1})


@pytest.mark.parametrize("done", [50, -1, float("nan"), "0.5", None])
def test_a_time_out_of_range_is_told(done):
    freezing = ProgressiveFreezing(network(), IMAGES, {"0": 0.5})
    with pytest.raises(InvalidValueError, match="done: expected a share"), freezing.at(done):
        pytest.fail("froze")


def test_a_share_past_the_beginning_of_the_last_epoch_is_told():
    check_times({"0": 0.75}, epochs=4)
    with pytest.raises(InvalidValueError, match=r"at most 0\.75, where the last of 4 epochs"):
        check_times({"0": 0.8}, epochs=4)


def test_a_compiled_network_has_the_names_of_its_layers():
    torch.compiler.reset()  # code that was compiled before knows of no gate
    model = network()
    compiled = torch.compile(model, backend="aot_eager")
    with ProgressiveFreezing(compiled, IMAGES, {"0": 0.5}).at(0.5):
        assert trained(model)[0] == "1.0.weight"
    gate = SkipGate(compiled, layer="0", num_classes=2, keep=0.5)
    with gate(LABELS):
        assert len(compiled(IMAGES)) == 4
