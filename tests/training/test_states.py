import pytest
import torch
from torch import nn

from imprint.training.states import flatten_optimizer, join_parts, restore_optimizer, split_parts


def trained(optimizer, net=None):
    torch.manual_seed(0)
    net = net or nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    built = optimizer(net.parameters())
    net(torch.ones(2, 3, 8, 8)).square().sum().backward()
    built.step()
    return net, built


@pytest.mark.parametrize(
    "optimizer",
    [lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), lambda p: torch.optim.AdamW(p, lr=0.1)],
    ids=["sgd", "adamw"],
)
def test_an_optimizer_returns_with_values_and_layout(optimizer):
    """A file knows no memory layout, and another layout rounds sums differently."""
    net, before = trained(optimizer)
    tensors, groups = flatten_optimizer(before)
    stored = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    after = optimizer(net.parameters())
    restore_optimizer(after, stored, groups)
    for parameter in net.parameters():
        for key, value in before.state[parameter].items():
            other = after.state[parameter][key]
            assert torch.equal(value, other)
            assert value.stride() == other.stride()


def test_parts_come_apart_as_they_were_joined():
    parts = {
        "model": {"a.weight": torch.ones(1), "b": torch.zeros(2)},
        "gate": {"b": torch.ones(3)},
    }
    assert split_parts(join_parts(parts)) == parts
