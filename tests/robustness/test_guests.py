"""A network that is attacked is a guest, and answers as it would when it is used."""

import pytest
import torch
from torch import nn

from imprint import SkipGate
from imprint.errors import ImprintError
from imprint.models import build_model
from imprint.robustness import (
    accuracy_over_epsilons,
    check_attackable,
    fgsm,
    input_gradients,
    on_pixels,
    pgd,
    probabilities_of,
    right_answers,
    transferred,
)
from imprint.types import Normalisation

IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3])

ACTIONS = {
    "fgsm": lambda model: fgsm(model, IMAGES, LABELS, epsilon=0.1),
    "pgd": lambda model: pgd(
        model, IMAGES, LABELS, epsilon=0.1, steps=3, generator=torch.Generator().manual_seed(0)
    ),
    "right_answers": lambda model: right_answers(model, IMAGES, LABELS),
    "probabilities_of": lambda model: probabilities_of(model, IMAGES),
    "input_gradients": lambda model: input_gradients(model, IMAGES, LABELS),
    "check_attackable": lambda model: check_attackable(model, IMAGES, LABELS),
    "accuracy": lambda model: accuracy_over_epsilons(model, IMAGES, LABELS, [0.0, 0.1]),
}


class Restless(nn.Module):
    """Draws and counts, in whatever mode it is."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, images):
        self.calls += 1
        return images + torch.rand(images.shape) * 1e-3


def guest():
    inner = build_model("resnet8", (3, 16, 16), 10)
    inner.layer3.eval()  # a mixture of modes
    inner.stem[0].weight.requires_grad_(requires_grad=False)
    inner.stem.insert(0, Restless())
    inner(IMAGES).sum().backward()  # and gradients that someone waits for
    return on_pixels(inner, Normalisation((0.5,) * 3, (0.25,) * 3))


@pytest.mark.parametrize("planted", [None, RuntimeError, KeyError])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_guest_is_left_as_it_was(state_of, action, planted):
    model = guest()
    if planted:

        def fail(*_):
            raise planted("planted")

        model.model.layer2.register_forward_hook(fail)
    pixels, before = IMAGES.clone(), state_of(model)
    try:
        ACTIONS[action](model)
    except (ImprintError, RuntimeError, KeyError):
        assert planted
    else:
        assert not planted
    assert state_of(model) == before
    assert torch.equal(IMAGES, pixels)
    assert not IMAGES.requires_grad
    assert IMAGES.grad is None


@pytest.mark.parametrize("action", ["fgsm", "pgd"])
def test_an_error_in_the_backward_pass_leaves_no_trace(state_of, action):
    class Faulty(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, maps):
            return maps.clone()

        @staticmethod
        def backward(_ctx, _gradient):
            raise RuntimeError("planted")

    model = guest()
    model.model.stem[1].register_forward_hook(lambda *run: Faulty.apply(run[2]))
    before = state_of(model)
    with pytest.raises(RuntimeError, match="planted"):
        ACTIONS[action](model)
    assert state_of(model) == before


@pytest.mark.parametrize("action", ["fgsm", "pgd", "right_answers"])
def test_dropout_and_batch_norm_are_as_in_use_in_whatever_mode_the_guest_comes(action):
    model = build_model("conv4", (3, 16, 16), 10)
    model.block2.append(nn.Dropout2d(0.5))
    model.train()(IMAGES)  # statistics of its own
    training = ACTIONS[action](model.train())
    assert torch.equal(training, ACTIONS[action](model.eval()))


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode])
def test_gradients_are_had_where_they_are_switched_off(surrounding):
    model = build_model("conv4", (3, 16, 16), 10).eval()
    expected = ACTIONS["pgd"](model)
    with surrounding():
        assert torch.equal(ACTIONS["pgd"](model), expected)


class Shifted(nn.Flatten):
    """Normalises in place, as some do."""

    def forward(self, images):
        return super().forward(images.sub_(0.5))


def test_a_network_that_changes_its_images_is_attacked_and_leaves_them_to_others():
    plain, shifted = (
        nn.Sequential(kind, nn.Linear(12, 3, bias=False)) for kind in (nn.Flatten(), Shifted())
    )
    images, labels = torch.rand(30, 3, 2, 2), torch.arange(30) % 3
    before = images.clone()
    given = (images, labels)
    (alone,) = transferred(plain, [plain], *given, epsilon=0.0)
    assert transferred(shifted, [shifted, plain], *given, epsilon=0.0)[1] == alone
    assert fgsm(shifted, *given, epsilon=0.1).shape == images.shape
    assert torch.equal(images, before)


@pytest.mark.parametrize("action", [fgsm, pgd, input_gradients])
def test_images_and_labels_that_were_made_in_inference_mode_will_do(action):
    model, more = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), {}
    if action is not input_gradients:
        more = {"epsilon": 0.1}
    images, labels = torch.rand(4, 3, 2, 2), torch.arange(4) % 3
    expected = action(model, images, labels, **more)
    with torch.inference_mode():
        assert torch.equal(action(model, images * 1, labels * 1, **more), expected)


@pytest.mark.parametrize("action", ["fgsm", "pgd", "right_answers", "accuracy"])
def test_an_open_gate_drops_no_row_of_an_attack_and_learns_nothing_from_it(action):
    """So a training step may attack its batch, and still skip of what comes of it."""
    model = build_model("conv4", (3, 16, 16), 10).eval()
    expected = ACTIONS[action](model)
    gate = SkipGate(model, layer="block2", num_classes=10, keep=0.5)
    with gate(LABELS):
        found = ACTIONS[action](model)
        assert int(gate.memory.counts.sum()) == 0
        logits = model(IMAGES)
    assert len(logits) == len(gate.index) == 2
    assert int(gate.memory.counts.sum()) == 4
    if isinstance(found, list):
        assert found == expected
    else:
        assert torch.equal(found, expected)
