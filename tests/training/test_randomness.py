import pytest
import torch

from imprint.errors import InvalidValueError
from imprint.training.randomness import drawing_from

CPU = torch.device("cpu")


def test_draws_follow_from_the_numbers_and_the_global_state_comes_back():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn = []
    for numbers in ((1, 2), (1, 2), (2, 1)):
        with drawing_from(*numbers, device=CPU):
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.rand(3), expected)


def test_the_state_comes_back_after_an_error_too():
    state = torch.get_rng_state()

    def fail():
        with drawing_from(0, device=CPU):
            torch.rand(1)
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        fail()
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(InvalidValueError, match="got"), drawing_from(-1, device=CPU):
        pass


class Generator:
    """What `torch.cuda` and `torch.mps` offer."""

    def __init__(self):
        self.state = torch.tensor([5])

    def get_rng_state(self):
        return self.state.clone()

    def set_rng_state(self, state):
        self.state = state

    def manual_seed(self, seed):
        self.state = torch.tensor([seed])


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpus_generator_is_borrowed_and_given_back(monkeypatch, kind):
    gpu = Generator()
    monkeypatch.setattr(torch, kind, gpu)
    with drawing_from(3, device=torch.device(kind)):
        assert gpu.state.item() != 5
    assert gpu.state.item() == 5
