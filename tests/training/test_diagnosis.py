import torch
import torch.nn.functional as F
from torch import nn

from imprint.models import build_model
from imprint.training.diagnosis import diagnose


def network():
    return build_model("paper", (1, 28, 28), 10)


def test_names_the_first_layer_and_its_weights():
    model = network()
    nn.init.constant_(model.conv2.weight, torch.nan)
    found = diagnose(model, torch.rand(4, 1, 28, 28))
    assert (found.bad_weights, found.bad_layer, found.bad_input) == ("conv2", "conv2", False)
    assert "conv2 has non-finite weights" in str(found)


def test_tells_bad_pixels_from_bad_weights():
    images = torch.rand(4, 1, 28, 28)
    images[2, 0, 5, 5] = torch.nan
    found = diagnose(network(), images)
    assert (found.bad_weights, found.bad_layer, found.bad_input) == (None, "conv1", True)


def test_counts_dead_relus_by_module_and_by_function():
    class Rectified(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu, self.inner = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4, 8)

        def forward(self, images):
            maps = self.relu(self.conv(images))
            return F.relu(self.inner(maps.amax((2, 3)))).relu()

    model = Rectified()
    nn.init.zeros_(model.conv.weight)
    model.conv.bias.data = torch.tensor([-1.0, -1, -1, 1])  # 3 of 4 channels never fire
    nn.init.zeros_(model.inner.weight)
    model.inner.bias.data = torch.tensor([-1.0] * 2 + [1.0] * 6)
    found = diagnose(model, torch.rand(5, 1, 8, 8))
    assert found.dead_relus["relu"] == 0.75
    assert found.dead_relus["the model's own forward"] == 0.25
    assert found.dead_relus["the model's own forward'"] == 0.25
    assert "relu 75 %" in str(found)
    assert found.bad_layer is None


def test_leaves_the_model_as_it_was():
    model = build_model("conv4", (1, 28, 28), 10).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.rand(4, 1, 28, 28)
    state = torch.get_rng_state()
    diagnose(model, images)
    assert not model.training
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(torch.get_rng_state(), state)
