import pytest
import torch
from torch import nn

from imprint.data import Batch
from imprint.training.normalization import NORM_BATCHES, renew_batch_norm


def batches(count):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        images = 3 + 2 * torch.randn(64, 2, generator=generator)
        yield Batch(torch.arange(64), images, torch.zeros(64, dtype=torch.int64))


def test_statistics_are_those_of_the_batches_and_nothing_else_changes():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    model[1].bias.requires_grad_(False)
    model(torch.full((4, 2), 99.0))
    before = {name: value.clone() for name, value in model.named_parameters()}
    momentum = model[0].momentum
    assert renew_batch_norm(model, batches(NORM_BATCHES + 9)) == NORM_BATCHES * 64
    images = torch.cat([batch.images for batch in batches(NORM_BATCHES)])
    assert torch.allclose(model[0].running_mean, images.mean(0), atol=1e-3)
    assert torch.allclose(model[0].running_var, images.var(0), rtol=0.02)
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert (model.training, model[0].momentum) == (True, momentum)


def test_modes_and_what_is_frozen_stay_and_after_an_error_all_does():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), nn.BatchNorm1d(2)).train()
    model[2].eval()  # a frozen one

    def failing():
        yield from batches(1)
        raise OSError("disk")

    frozen = model[2].running_mean.clone()
    assert renew_batch_norm(model, batches(2)) == 128
    renewed = model[0].running_mean.clone()
    assert renewed.abs().sum() > 1
    with pytest.raises(OSError, match="disk"):
        renew_batch_norm(model, failing())
    assert [part.training for part in model] == [True, True, False]
    assert [model[0].momentum, model[2].momentum] == [0.1, 0.1]
    assert torch.equal(model[0].running_mean, renewed)
    assert torch.equal(model[2].running_mean, frozen)
    assert renew_batch_norm(model, []) == 0
    assert torch.equal(model[0].running_mean, renewed)


def test_a_network_without_batch_norm_costs_nothing():
    def never():
        raise AssertionError
        yield

    assert renew_batch_norm(nn.Linear(2, 2), never()) == 0
