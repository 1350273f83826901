import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError
from imprint.training.fit import check_fit


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 9), nn.BatchNorm1d(9), nn.Dropout())


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((1, 28, 28), 3, r"model mine: expected logits \(2, 3\).*got \(2, 9\)"),
        ((3, 28, 28), 9, r"model mine: expected to train on images \(2, 3, 28, 28\), it failed: "),
    ],
)
def test_says_what_does_not_fit(shape, classes, message):
    with pytest.raises(InvalidValueError, match=message):
        check_fit(network(), "mine", shape, classes)


def test_batch_norm_does_not_train_on_one_image():
    with pytest.raises(InvalidValueError, match=r"images \(1, 1, 28, 28\).*more than 1 value"):
        check_fit(network(), "mine", (1, 28, 28), 9, rows=1)


def test_leaves_the_network_as_it_was():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_fit(model, "mine", (1, 28, 28), 9)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
