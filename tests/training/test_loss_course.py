"""Why a loss becomes undefined: by the logarithm of what underflows, not by negative inputs."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.models import build_model
from imprint.training.loss_course import LOSSES, loss_course


def batches(n=4, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    images = [scale * torch.randn(8, 1, 16, 16, generator=generator) for _ in range(n)]
    return [(each, torch.arange(8) % 3) for each in images]


def test_the_course_is_that_of_plain_sgd():
    model = build_model("paper", (1, 16, 16), 3)
    other = copy.deepcopy(model)
    rows = loss_course(model, batches(), lr=0.1, momentum=0.5)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.5)
    for row, (images, labels) in zip(rows, batches(), strict=True):
        loss = F.cross_entropy(other(images), labels)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.cat([weight.grad.flatten() for weight in other.parameters()]).norm()
        optimizer.step()
        assert row.loss == pytest.approx(float(loss.detach()))
        assert row.gradient_norm == pytest.approx(float(norm), rel=1e-4)
    assert list(rows[0].dead_relus) == ["relu1", "relu2", "relu3"]


@pytest.mark.parametrize("loss", LOSSES)
def test_negative_inputs_alone_leave_every_loss_finite(loss):
    model = build_model("paper", (1, 16, 16), 3)
    negative = [(-images.abs(), labels) for images, labels in batches()]
    assert len(loss_course(model, negative, loss=loss)) == 4


@pytest.mark.parametrize(
    ("loss", "label", "steps"),
    [
        ("log of softmax", 0, 1),  # the true class underflows: the loss is infinite
        ("log of softmax", 1, 1),  # another one does: the loss is finite, its gradient is not
        ("log-softmax", 0, 2),
        ("softmax", 0, 2),
    ],
)
def test_only_a_logarithm_of_what_underflows_is_undefined(loss, label, steps):
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    model[1].weight.data = torch.tensor([[-1.0], [1.0]])
    batch = (torch.full((1, 1, 1, 1), 200.0), torch.tensor([label]))
    rows = loss_course(model, [batch, batch], loss=loss, lr=1e-6)
    assert len(rows) == steps
    assert rows[0].logit_gap == pytest.approx(400, rel=0.02)
    assert rows[0].underflowed == (label == 0)
    assert torch.tensor(rows[0].loss).isfinite() == (loss != "log of softmax" or label == 1)


def test_dead_relus_stop_learning_and_make_no_nan():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.constant_(model[1].bias, -1e4)
    rows = loss_course(model, batches(), loss="log of softmax")
    assert [row.dead_relus for row in rows] == [{"2": 1.0}] * 4
    assert torch.equal(model[1].bias.detach(), torch.full((8,), -1e4))
