import pytest
import torch
from torch import nn

from imprint.errors import LayerError
from imprint.models import build_model
from imprint.taps import (
    Tap,
    carries_all_data,
    check_carries_all_data,
    find_layer,
    guest,
    maps_at,
    row_filter,
)

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    return build_model("resnet20", (3, 32, 32), 10)


def hooks_of(model):
    return [
        len(kind)
        for module in model.modules()
        for kind in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    ]


def trace_of(model):
    modes = [module.training for module in model.modules()]
    gradients = [parameter.requires_grad for parameter in model.parameters()]
    return modes, gradients, hooks_of(model), torch.get_rng_state().tolist()


def test_reads_what_the_layer_puts_out(model):
    with Tap(model, "layer1") as tap:
        model(IMAGES)
    expected = model.layer1(model.stem(IMAGES))
    assert tap.maps.shape == (4, 16, 32, 32) == expected.shape
    assert tap.calls == 1


def test_cut_computes_nothing_after_the_layer(model):
    ran = []
    model.layer2.register_forward_hook(lambda *_: ran.append("layer2"))
    model.eval()
    maps = maps_at(model, "layer1", IMAGES)
    assert not ran
    torch.testing.assert_close(maps, model.layer1(model.stem(IMAGES)))
    assert not maps.requires_grad


def raising(model):
    def fail(*_):
        raise ValueError("planted")

    model.layer2.register_forward_hook(fail)


@pytest.mark.parametrize("planted", [False, True])
@pytest.mark.parametrize("action", ["tap", "cut", "proof", "guest", "filter"])
def test_a_guest_is_left_as_it_was(model, action, planted):
    model.layer3.eval()  # a mixture of modes
    model.stem[0].weight.requires_grad_(requires_grad=False)
    if planted:
        raising(model)
    before = trace_of(model)
    try:
        if action == "tap":
            with Tap(model, "layer3"):
                model(IMAGES)
        elif action == "cut":
            maps_at(model, "layer3", IMAGES)
        elif action == "proof":
            carries_all_data(model, "layer1", IMAGES[:2])
        elif action == "guest":
            with guest(model):
                torch.rand(3)
                model(IMAGES)
        else:
            with row_filter(model, "layer1", lambda _: torch.tensor([0])):
                model(IMAGES)
    except ValueError:
        assert planted
    assert trace_of(model) == before


@pytest.mark.parametrize("training", [False, True, None])
def test_a_guest_that_trains_keeps_its_statistics(model, training):
    model.layer3.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    with guest(model, training=training), torch.no_grad():
        within = [module.training for module in model.modules()]
        model(IMAGES)
    assert within == (modes if training is None else [training] * len(modes))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_missing_layer_is_named_with_its_neighbours(model):
    with pytest.raises(LayerError, match=r"layer1.*got 'layerl'"):
        find_layer(model, "layerl")
    with pytest.raises(LayerError, match="got ''"):
        find_layer(model, "")


def test_a_layer_that_does_not_run_is_an_error(model):
    model.idle = nn.Conv2d(3, 3, 1)
    model.forward = model.stem.forward
    with Tap(model, "idle") as tap:
        model(IMAGES)
    with pytest.raises(LayerError, match="'idle': did not run"):
        _ = tap.maps


def test_maps_that_a_later_layer_changed_in_place_are_not_passed_off_as_the_layers():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    with torch.no_grad(), Tap(model, "0") as tap:
        model(IMAGES)
    with pytest.raises(LayerError, match=r"'0': expected its output as it was.*in place"):
        _ = tap.maps
    assert maps_at(model, "0", IMAGES).min() < 0  # cut there, the next layer does not run
    with torch.inference_mode(), Tap(model, "0") as tap:
        model(IMAGES)
    assert tap.maps.min() < 0  # a copy: such tensors do not count their changes
    check_carries_all_data(model, "0", IMAGES[:2])


def test_an_open_tap_is_not_opened_again(model):
    tap = Tap(model, "layer1")
    with tap, pytest.raises(LayerError, match="expected a tap that is not open"):
        tap.__enter__()
    with tap:
        model(IMAGES)
    assert not any(hooks_of(model))


def test_a_buffer_that_was_replaced_is_put_back():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, images):
            self.seen = self.seen + len(images)
            return images

    model = nn.Sequential(Counting(), nn.ReLU())
    seen = model[0].seen
    maps_at(model, "1", IMAGES)
    assert model[0].seen is seen
    assert seen == 0


def test_the_proof_leaves_buffers_that_move_in_eval_mode_too():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.tensor(0))

        def forward(self, images):
            self.calls += 1
            return images

    model = nn.Sequential(Counts(), nn.Flatten())
    assert carries_all_data(model, "0", IMAGES[:2])
    assert model[0].calls == 0
