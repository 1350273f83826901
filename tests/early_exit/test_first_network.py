import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from imprint.early_exit import (
    FIRST,
    HEAD_KINDS,
    Costs,
    EarlyExit,
    Exit,
    FirstNetwork,
    Head,
    WithExits,
    calibrated,
    margins,
)
from imprint.early_exit.costs import measure_costs
from imprint.early_exit.held_out import answer_held_out
from imprint.errors import InvalidValueError, LayerError
from imprint.models import build_model
from imprint.skipping import SkipGate

IMAGES = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def model():
    return build_model("resnet20", SHAPE, 10).eval()


@pytest.fixture(scope="module")
def small():
    return build_model("resnet8", SHAPE, 10).eval()


@torch.no_grad()
def asked_first(small, share):
    """Asked first, sure of a share of the images."""
    falling = margins(small(IMAGES)).sort(descending=True).values
    ends = torch.cat([falling[:1] + 1, falling, torch.zeros(1)])
    last = round(share * len(IMAGES))
    return FirstNetwork(small, SHAPE, float(ends[last : last + 2].mean()))


@given(share=st.sampled_from([0.0, 0.3, 0.6, 1.0]), rows=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_each_image_is_answered_by_the_first_network_that_is_sure(model, small, share, rows):
    first, images, routes = asked_first(small, share), IMAGES[:rows], []
    expected, places = [], []
    with torch.no_grad():
        for image in images:
            own = small(image[None])
            sure = bool(margins(own) >= first.threshold)
            expected.append(own if sure else model(image[None]))
            places.append(0 if sure else 1)
        with EarlyExit((first,))(model, routes.append):
            found = model(images)
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-3, atol=1e-3)
    assert routes[0].taken.tolist() == places


@torch.no_grad()
def test_later_exits_see_what_is_left(model, small):
    first, routes = asked_first(small, 0.5), []
    head = Head(torch.zeros(10, 32), torch.arange(10.0), "probe")
    always = Exit("layer1", (16, 32, 32), head, 0.5)
    with EarlyExit((first, always))(model, routes.append):
        found = model(IMAGES)
    sure = margins(small(IMAGES)) >= first.threshold
    assert routes[0].taken.tolist() == (~sure).long().tolist()
    assert (found[~sure] == torch.arange(10.0)).all()


@torch.no_grad()
def test_where_all_are_answered_the_network_does_not_run(model, small):
    ran = []
    with model.stem.register_forward_hook(lambda *_: ran.append(1)):
        with EarlyExit((FirstNetwork(small, SHAPE, 0.0),))(model):
            model(IMAGES)
        assert not ran
        with EarlyExit((FirstNetwork(small, SHAPE, torch.inf),))(model):
            found = model(IMAGES)
    assert ran
    torch.testing.assert_close(found, model(IMAGES))


def test_both_networks_are_left_as_they_were(model, small):
    before = {name: part.clone() for name, part in small.state_dict().items()}
    state = torch.get_rng_state()

    def fail(*_):
        raise RuntimeError("by chance")

    def opened():
        with EarlyExit((FirstNetwork(small, SHAPE, torch.inf),))(model):
            model(IMAGES)

    opened()
    with model.layer3.register_forward_hook(fail), pytest.raises(RuntimeError, match="by chance"):
        opened()
    assert all(part.equal(before[name]) for name, part in small.state_dict().items())
    assert "forward" not in model.__dict__
    assert torch.get_rng_state().equal(state)


def test_a_first_network_in_train_mode_is_an_error(model, small):
    own = copy.deepcopy(small).train()
    with pytest.raises(InvalidValueError, match="first: expected one in eval mode"):  # noqa: SIM117
        with EarlyExit((FirstNetwork(own, SHAPE, 0.0),))(model):
            model(IMAGES)


@torch.no_grad()
def test_images_with_nan_go_to_the_end(model, small):
    images, routes = IMAGES[:2].clone(), []
    images[0, 0, 0, 0] = torch.nan
    with EarlyExit((FirstNetwork(small, SHAPE, 0.0),))(model, routes.append):
        assert model(images)[0].isnan().all()
    assert routes[0].taken.tolist() == [1, 0]


def test_other_images_are_an_error(model, small):
    exits = EarlyExit((FirstNetwork(small, SHAPE, 0.0),))
    with pytest.raises(InvalidValueError, match=r"expected maps \(3, 32, 32\) at 'first network'"):  # noqa: SIM117
        with exits(model):
            model(torch.zeros(1, 3, 28, 28))


class Named(nn.Module):
    """Takes its images by name, and something beside."""

    def forward(self, *, pixel_values, weights):
        return (pixel_values * weights[:, None, None, None]).flatten(1)[:, :2]


@torch.no_grad()
def test_all_that_goes_in_is_cut():
    small = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()
    small[1].weight.copy_(torch.eye(2, 4) * 9)
    small[1].bias.zero_()
    images = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 1.0, 0, 0]]).view(3, 1, 2, 2)
    model = Named().eval()
    with EarlyExit((FirstNetwork(small, (1, 2, 2), 5.0),))(model):
        found = model(pixel_values=images, weights=torch.tensor([1.0, 2.0, 3.0]))
    assert found.tolist() == [[9, 0], [1, 1], [0, 9]]


def test_gradients_lead_through_whoever_answers(model, small):
    images = IMAGES.clone().requires_grad_()
    served = WithExits(model, EarlyExit((asked_first(small, 0.5),))).eval()
    torch.autograd.backward(served(images).square().sum())
    own = IMAGES.clone().requires_grad_()
    sure = margins(small(own)) >= served.exits.exits[0].threshold
    logits = torch.where(sure[:, None], small(own), model(own))
    torch.autograd.backward(logits.square().sum())
    torch.testing.assert_close(images.grad, own.grad, rtol=1e-3, atol=1e-3)


def test_a_file_keeps_all_but_the_network(model, small, tmp_path):
    head = Head(torch.eye(10, 32), torch.zeros(10), "probe")
    exits = EarlyExit((asked_first(small, 0.5), Exit("layer1", (16, 32, 32), head, 1.0)))
    path = exits.save(tmp_path / "exits.safetensors")
    with pytest.raises(InvalidValueError, match="first: expected the network that is asked first"):
        EarlyExit.load(path)
    loaded = EarlyExit.load(path, first=small)
    assert loaded.first is small
    assert [own.layer for own in loaded.exits] == [FIRST, "layer1"]
    assert loaded.exits[0].threshold == exits.exits[0].threshold


LABELS = torch.arange(1200) % 2
DOTS = torch.rand(1200, 1, 4, 4, generator=torch.Generator().manual_seed(0)) / 2
DOTS[:, 0, 0, 0] = LABELS.float()


def answers_by(weight):
    """Answers by the first pixel alone."""
    layer = nn.Linear(16, 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:, 0] = torch.tensor([-weight, weight])
        layer.bias.copy_(torch.tensor([weight / 2, -weight / 2]))
    return nn.Sequential(nn.Identity(), nn.Flatten(), layer)


def calibrate(first, **given):
    fit, held = (TensorDataset(DOTS[rows], LABELS[rows]) for rows in (slice(200), slice(200, 1200)))
    usual = {"fit_on": fit, "promise_on": held, "max_extra_error": 0.05, "confidence": 0.9}
    usual |= {"layers": ["0"], "kinds": ["probe"]}
    return EarlyExit.calibrate(answers_by(9.0).eval(), first=first, **usual | given)


@pytest.fixture
def cheap_first(monkeypatch):
    """The layer lies late, the first network costs little."""
    costs = Costs(torch.tensor([0.8]), torch.tensor([0.01]), 1.0).behind(0.1)
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, costs)
    )


@pytest.mark.usefixtures("cheap_first")
def test_calibration_asks_a_network_first_that_knows():
    exits = calibrate(answers_by(1.0).train())
    assert [own.layer for own in exits.exits] == [FIRST]
    assert exits.exits[0].shape == (1, 4, 4)
    assert exits.first.training
    assert exits.reference.shape == (2, 1000)
    assert not exits.monitor().alarmed


@pytest.mark.usefixtures("cheap_first")
def test_calibration_leaves_out_a_first_network_that_does_not_know():
    wrong = calibrate(answers_by(-1.0))
    assert wrong.first is None
    assert wrong.exits == () or wrong.exits[0].layer == "0"


@pytest.mark.parametrize(
    ("first", "error", "message"),
    [
        ("resnet8", InvalidValueError, "first: expected an nn.Module, got str"),
        (nn.Flatten(), InvalidValueError, r"expected logits \(2, 2\), as of the model; got"),
        (nn.Linear(3, 2), InvalidValueError, r"first: expected one that takes images \(1, 4, 4\)"),
    ],
)
def test_a_first_network_that_will_not_do(first, error, message):
    with pytest.raises(error, match=message):
        calibrate(first)


def test_a_first_network_with_an_open_gate_is_refused():
    first = answers_by(1.0).train()
    gate = SkipGate(first, layer="0", num_classes=2, keep=0.5)
    with gate(LABELS[:4]):
        with pytest.raises(LayerError, match="one without an open gate"):
            calibrate(first)
        first(DOTS[:4])


def test_it_costs_what_it_takes_and_stands_before_the_layers(model, small):
    heads = {"probe": [Head(torch.zeros(10, 32), torch.zeros(10))]}
    costs = measure_costs(model, ["layer1"], IMAGES, heads, small)["probe"]
    alone = measure_costs(model, ["layer1"], IMAGES, heads)["probe"]
    assert costs.layers[0] == 0
    assert len(costs.layers) == len(costs.heads) == len(alone.layers) + 1
    assert costs.fixed.tolist()[0] == 0
    assert 0 < costs.heads[0] < costs.whole


class Parts(nn.Module):
    """The first layers of another network, with an end of its own."""

    def __init__(self, model):
        super().__init__()
        self.stem, self.layer1, self.end = model.stem, model.layer1, nn.Linear(16, 10)

    def forward(self, images):
        return self.end(self.layer1(self.stem(images)).mean((2, 3)))


@torch.no_grad()
def test_layers_may_be_shared_with_the_network(model):
    first, routes = asked_first(Parts(model).eval(), 0.5), []
    head = Head(torch.zeros(10, 32), torch.arange(10.0), "probe")
    with EarlyExit((first, Exit("layer1", (16, 32, 32), head, 0.5)))(model, routes.append):
        model(IMAGES)
    sure = margins(first.network(IMAGES)) >= first.threshold
    assert routes[0].taken.tolist() == (~sure).long().tolist()


class Few(nn.Module):
    """Loses rows, as one with an open gate does."""

    def forward(self, images):
        return images.flatten(1)[:3, :10]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Few(), r"expected logits \(12, K\), K at least 2; got \(3, 10\)"),
        (nn.Flatten(0), r"expected logits \(12, K\), K at least 2; got \(36864,\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 7)), "the same classes, got 7 and 10"),
    ],
)
@torch.no_grad()
def test_answers_that_are_not_of_these_images_are_refused(model, network, message):
    half = asked_first(network.eval(), 0.5) if "7" in message else None
    with pytest.raises(InvalidValueError, match=message):  # noqa: SIM117
        with EarlyExit((half or FirstNetwork(network.eval(), SHAPE, 0.0),))(model):
            model(IMAGES)


@torch.no_grad()
def test_within_autocast_it_answers_as_in_calibration(model, small):
    own = copy.deepcopy(small)
    batches = [(IMAGES, torch.arange(12) % 10)]
    head = Head(torch.zeros(10, 32), torch.arange(10.0), "probe")
    plain = answer_held_out(model, ["layer1"], {"probe": [head]}, batches, own)
    with torch.autocast("cpu", torch.bfloat16):
        found = answer_held_out(model, ["layer1"], {"probe": [head]}, batches, own)
    assert found.outcomes["probe"].margins[0].equal(plain.outcomes["probe"].margins[0])


class OnlyNamed(nn.Module):
    """Takes its images by name alone."""

    def forward(self, *, pixel_values):
        return pixel_values.flatten(1)[:, :2]


def test_whatever_a_first_network_raises_is_told():
    with pytest.raises(InvalidValueError, match="first: expected one that takes images"):
        calibrate(OnlyNamed())


@torch.no_grad()
def test_networks_may_differ_in_precision(model, small):
    first, routes = asked_first(small, 0.5), []
    half = copy.deepcopy(model).bfloat16()
    with EarlyExit((first,))(half, routes.append):
        found = half(IMAGES.bfloat16())
    assert found.isfinite().all()
    with EarlyExit((replace(first, threshold=-1.0),))(half, routes.append):
        none_left = half(IMAGES.bfloat16())
    assert routes.pop().taken.tolist() == [0] * len(IMAGES)
    assert none_left.dtype == found.dtype == torch.bfloat16
    sure = margins(small(IMAGES.bfloat16().float())) >= first.threshold
    assert routes[0].taken.tolist() == (~sure).long().tolist()
