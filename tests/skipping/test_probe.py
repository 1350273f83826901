import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.errors import InvalidValueError
from imprint.skipping.probe import EPSILON, LinearProbe, batch_moments, probe_step, standardise


def sample(n=64, d=10, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    centres = torch.randn(classes, d, generator=torch.Generator().manual_seed(99))
    return centres[labels] + 0.3 * torch.randn(n, d, generator=generator), labels


def test_the_gradient_is_autograds():
    inputs, labels = sample()
    weight = torch.randn(10, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    expected = F.cross_entropy(inputs @ weight, labels, reduction="none")
    expected.mean().backward()
    losses, gradient = probe_step(inputs, labels, weight.detach())
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(gradient, weight.grad)


def test_standardises_as_batch_norm_does():
    inputs, _ = sample()
    norm = nn.BatchNorm1d(10, affine=False, eps=EPSILON)
    torch.testing.assert_close(standardise(inputs, batch_moments(inputs)), norm(inputs))


def test_follows_sgd_with_momentum():
    probe = LinearProbe(4)
    reference = nn.Sequential(nn.BatchNorm1d(10, affine=False), nn.Linear(10, 4))
    nn.init.zeros_(reference[1].weight)
    nn.init.zeros_(reference[1].bias)
    optimizer = torch.optim.SGD(reference.parameters(), lr=2 / 11, momentum=0.9)
    for seed in range(6):
        inputs, labels = sample(seed=seed)
        expected = F.cross_entropy(reference(inputs), labels, reduction="none")
        torch.testing.assert_close(
            probe.step(inputs, labels), expected.detach(), atol=1e-5, rtol=1e-4
        )
        optimizer.zero_grad()
        expected.mean().backward()
        optimizer.step()


def test_learns_what_is_linear():
    probe = LinearProbe(4)
    means = [probe.step(*sample(seed=seed)).mean().item() for seed in range(40)]
    assert means[0] == pytest.approx(1.386, abs=1e-3)  # ln 4
    assert means[-1] < 0.1


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_stays_stable_with_correlated_signatures_of_any_scale(scale):
    probe = LinearProbe(4)
    for seed in range(200):
        inputs, labels = sample(seed=seed)
        losses = probe.step(inputs[:, :1].expand(-1, 50) * scale, labels)
    assert losses.isfinite().all()
    assert losses.mean() < 1.4


def test_rows_that_are_not_finite_teach_nothing():
    clean, dirty = LinearProbe(4), LinearProbe(4)
    inputs, labels = sample()
    broken = torch.cat((inputs, torch.full((1, 10), torch.inf)))
    losses = dirty.step(broken, torch.cat((labels, labels[:1])))
    torch.testing.assert_close(losses[:-1], clean.step(inputs, labels))
    assert losses[-1].isnan()
    assert torch.equal(dirty.state_dict()["weight"], clean.state_dict()["weight"])
    assert dirty.step(torch.full((2, 10), torch.nan), labels[:2]).isnan().all()


def test_no_rows_teach_nothing():
    probe = LinearProbe(2)
    assert probe.step(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0,)
    assert not probe.state_dict()["weight"].numel()


def test_state_makes_the_same_probe():
    probe, other = LinearProbe(4), LinearProbe(4)
    probe.step(*sample())
    other.load_state_dict(probe.state_dict())
    assert torch.equal(probe.step(*sample(seed=1)), other.step(*sample(seed=1)))
    with pytest.raises(InvalidValueError, match="3 classes"):
        LinearProbe(3).load_state_dict(probe.state_dict())
    with pytest.raises(InvalidValueError, match="at least 2"):
        LinearProbe(1)
