"""A small network that knows digits, digits that it has not seen, and what a guest must keep."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data import load
from imprint.models import build_model
from imprint.robustness import on_pixels
from imprint.types import Normalisation


class Known(NamedTuple):
    """A network on pixels, and images of the test part as bytes."""

    model: nn.Module
    images: Tensor
    labels: Tensor


@pytest.fixture(scope="session")
def known():
    data = load("mnist")
    inner = build_model("paper", (1, 28, 28), 10)
    optimizer = torch.optim.Adam(inner.parameters(), lr=2e-3)
    model = on_pixels(inner, Normalisation((0.1307,), (0.3081,)))
    rows = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    for batch in rows[: 300 * 64].split(64):
        loss = F.cross_entropy(
            model(data.train.images[batch].float() / 255), data.train.labels[batch]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.zero_grad()
    return Known(model.eval(), data.test.images[:1000], data.test.labels[:1000])


@pytest.fixture(scope="session")
def state_of():
    """All that a guest must have back, from its hooks to the random state."""

    def state(model):
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        hooks = [len(getattr(each, kind)) for each in model.modules() for kind in kinds]
        modes = [each.training for each in model.modules()]
        wanted = [each.requires_grad for each in model.parameters()]
        grads = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
        values = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
        globals_ = torch.get_rng_state().numpy().tobytes(), torch.is_grad_enabled()
        return hooks, modes, wanted, grads, values, globals_

    return state
