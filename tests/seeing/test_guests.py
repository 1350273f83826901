"""A user's model is a guest: whatever looks at it leaves it as it was, also after an error."""

import pytest
import torch
from torch import nn

from imprint.errors import ImprintError
from imprint.models import build_model
from imprint.seeing import (
    deconvolve,
    grad_cam,
    layer_health,
    layer_maps,
    occlusion,
    project_patches,
    projectable,
    receptive_fields,
    top_patches,
)

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def patches_with_projections(model):
    patches = top_patches(model, "layer2", [IMAGES], k=2).of(0)
    project_patches(model, patches, IMAGES[patches.index])


ACTIONS = {
    "layer_maps": lambda model: layer_maps(model, IMAGES),
    "deconvolve": lambda model: deconvolve(model, "layer3", IMAGES, 3),
    "projectable": lambda model: projectable(model, "layer3", IMAGES),
    "receptive_fields": lambda model: receptive_fields(
        model, "layer3", IMAGES, torch.zeros(1, 2, dtype=torch.int64)
    ),
    "patches": patches_with_projections,
    "occlusion": lambda model: occlusion(model, IMAGES, 1, patch=8, stride=8),
    "grad_cam": lambda model: grad_cam(model, "layer2", IMAGES, 1),
    "layer_health": lambda model: layer_health(model, IMAGES.split(1)),
}


class Restless(nn.Module):
    """Draws, counts and works in place, in whatever mode it is."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, images):
        self.calls += 1
        return images.add_(torch.rand(images.shape) * 1e-3)


def guest():
    model = build_model("resnet8", (3, 16, 16), 10)
    model.layer3.eval()  # a mixture of modes
    model.stem[0].weight.requires_grad_(requires_grad=False)
    model(IMAGES).sum().backward()  # and gradients that someone waits for
    model.stem.insert(0, Restless())
    return model


@pytest.mark.parametrize("planted", [None, RuntimeError, ValueError, KeyError])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_guest_is_left_as_it_was(state_of, action, planted):
    model = guest()
    if planted:

        def fail(*_):
            raise planted("planted")

        model.layer2.register_forward_hook(fail)
    pixels, before = IMAGES.clone(), state_of(model)
    try:
        ACTIONS[action](model)
    except (ImprintError, KeyError):
        assert planted
    else:
        assert not planted
    after = state_of(model)
    for name, one, other in zip(
        ("hooks", "modes", "requires_grad", "gradients", "values", "globals"),
        before, after, strict=True,
    ):  # fmt: skip
        assert one == other, name
    assert torch.equal(IMAGES, pixels)
    assert not IMAGES.requires_grad
    assert IMAGES.grad is None


@pytest.mark.parametrize("action", ["deconvolve", "receptive_fields"])
def test_an_error_in_the_backward_pass_leaves_no_trace(state_of, action):
    class Faulty(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, maps):
            return maps.clone()

        @staticmethod
        def backward(_ctx, _gradient):
            raise RuntimeError("planted")

    model = guest()
    if action == "deconvolve":
        model.stem[1].register_forward_hook(plant)
    else:
        model.stem[1].register_forward_hook(lambda *run: Faulty.apply(run[2]))
    before = state_of(model)
    with pytest.raises(RuntimeError, match="planted"):
        ACTIONS[action](model)
    assert state_of(model) == before


def plant(_module, _inputs, output):
    def fault(_gradient):
        raise RuntimeError("planted")

    output.register_hook(fault)


def test_results_do_not_depend_on_the_mode_that_the_guest_came_in():
    model = build_model("resnet8", (3, 16, 16), 10)
    for run in (
        lambda: layer_maps(model, IMAGES)[-1].maps,
        lambda: deconvolve(model, "layer3", IMAGES, 3),
        lambda: occlusion(model, IMAGES, 1, patch=8, stride=8),
        lambda: grad_cam(model, "layer2", IMAGES, 1).raw,
        lambda: top_patches(model, "layer2", [IMAGES]).values,
    ):
        model.train()
        training = run()
        model.eval()
        torch.testing.assert_close(run(), training)
