"""Hashes of tensors and networks tell apart what gives other maps."""

import torch
from torch import nn

from imprint.hashes import hash_network, hash_tensors


def test_a_hash_sees_names_types_shapes_and_every_value():
    some = {"x": torch.zeros(2, 3), "n": torch.tensor(1)}
    others = [
        {"y": torch.zeros(2, 3), "n": torch.tensor(1)},
        {"x": torch.zeros(3, 2), "n": torch.tensor(1)},
        {"x": torch.zeros(2, 3), "n": torch.tensor(2)},
        {"x": torch.zeros(2, 3).int(), "n": torch.tensor(1)},
    ]
    hashes = {hash_tensors(each) for each in (some, *others)} | {hash_tensors(some, "more")}
    assert len(hashes) == 6
    assert hash_tensors(dict(some)) == hash_tensors(some)


class Telling(nn.Conv2d):
    """Prints where it lies, and has a state that is no tensor."""

    def __init__(self, told):
        super().__init__(1, 1, 1, bias=False)
        self.told, self.weight.data[:] = told, 1

    def extra_repr(self):
        return f"{object()}"

    def get_extra_state(self):
        return {"told": self.told}

    def set_extra_state(self, state):
        self.told = state["told"]


def test_a_network_is_hashed_with_what_it_is_made_of():
    assert hash_network(Telling(1)) == hash_network(Telling(1)) != hash_network(Telling(2))
    assert hash_network(nn.ReLU()) != hash_network(nn.LeakyReLU())
