"""Networks that the tests look into, and what must be left of them as it was."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data import load
from imprint.models import build_model


class Trained(NamedTuple):
    """A small network that knows digits, and digits that it has not seen."""

    model: nn.Module
    images: Tensor
    labels: Tensor


@pytest.fixture(scope="session")
def trained():
    data = load("mnist")
    model = build_model("paper", (1, 28, 28), 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    rows = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    for batch in rows[: 200 * 64].split(64):
        images = data.train.images[batch].float() / 255
        loss = F.cross_entropy(model(images), data.train.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.zero_grad()
    images = data.test.images[:1000].float() / 255
    return Trained(model.eval(), images, data.test.labels[:1000])


@pytest.fixture(scope="session")
def network():
    """Make a random network by its name: the package's own, and some that no one here wrote."""

    def make(name):
        if name in {"ResNet", "ConvNext", "ConvNextV2", "ViT"}:
            return from_transformers(name).eval()
        return build_model(name, (3, 32, 32), 10).eval()

    return make


def from_transformers(family):
    import transformers

    small = {
        "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]},
        "ConvNext": {"depths": [1, 2], "hidden_sizes": [8, 16], "num_stages": 2, "patch_size": 2},
        "ConvNextV2": {"depths": [1, 2], "hidden_sizes": [8, 16], "num_stages": 2, "patch_size": 2},
        "ViT": {
            "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 16, "image_size": 32, "patch_size": 8,
        },
    }[family]  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        config = getattr(transformers, f"{family}Config")(**small)
        return getattr(transformers, f"{family}ForImageClassification")(config)


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
