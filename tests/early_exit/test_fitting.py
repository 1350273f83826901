import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from imprint.early_exit.fitting import PENALTY, fit_head
from imprint.early_exit.heads import HEAD_KINDS, logits_of, margins


def clouds(count=600, width=6, classes=4, seed=0):
    """Gaussian clouds of entries of very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=generator) * 1.5
    scale = torch.logspace(-2, 2, width)
    rows = (centres[labels] + torch.randn(count, width, generator=generator)) * scale + 3 * scale
    return rows, labels


def answers(head, rows):
    return logits_of(rows, head).argmax(1)


def standard(rows):
    return ((rows - rows.mean(0)) / rows.std(0, correction=0)).numpy()


def test_the_probe_is_scikit_learns_regression():
    rows, labels = clouds()
    head = fit_head(rows, labels, 4, "probe")
    judge = LogisticRegression(C=1 / (2 * PENALTY * len(rows)), max_iter=1000, tol=1e-8)
    judge.fit(standard(rows), labels)
    expected = judge.predict_log_proba(standard(rows))
    own = (rows @ head.weight.T + head.bias).log_softmax(1)
    np.testing.assert_allclose(own.numpy(), expected, rtol=0.01, atol=0.05)


def test_the_nearest_prototype_is_scikit_learns_centroid():
    rows, labels = clouds()
    head = fit_head(rows, labels, 4, "prototype")
    expected = NearestCentroid().fit(standard(rows), labels).predict(standard(rows))
    assert (answers(head, rows).numpy() == expected).mean() > 0.995


@pytest.mark.parametrize("kind", ["prototype", "probe"])
def test_scale_shift_and_order_of_the_samples_do_not_matter(kind):
    rows, labels = clouds()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    head = fit_head(rows, labels, 4, kind)
    other = fit_head(5 * rows[order] - 7, labels[order], 4, kind)
    own, moved = logits_of(rows, head), logits_of(5 * rows - 7, other)
    torch.testing.assert_close(margins(own), margins(moved), rtol=0.02, atol=0.02)


def test_an_entry_that_never_changes_tells_nothing():
    rows, labels = clouds()
    rows[:, 2] = 7.0
    head = fit_head(rows, labels, 4, "probe")
    assert (head.weight[:, 2] == 0).all()
    assert head.weight.isfinite().all()


def rings(count=1200, seed=0):
    """Two classes that no plane divides."""
    generator = torch.Generator().manual_seed(seed)
    angle, labels = torch.rand(count, generator=generator) * 6.2832, torch.arange(count) % 2
    radius = 1 + labels + torch.rand(count, generator=generator) * 0.6
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1) * 100 + 700, labels


def test_a_perceptron_learns_what_no_plane_divides():
    rows, labels = rings()
    head = fit_head(rows[:1000], labels[:1000], 2, "mlp")
    assert (answers(head, rows[1000:]) == labels[1000:]).double().mean() > 0.95
    linear = fit_head(rows[:1000], labels[:1000], 2, "probe")
    assert (answers(linear, rows[1000:]) == labels[1000:]).double().mean() < 0.7


def test_a_perceptron_repeats_and_draws_from_no_ones_state():
    rows, labels = rings()
    state = torch.get_rng_state()
    one, other = (fit_head(rows, labels, 2, "mlp", seed=3) for _ in range(2))
    assert one.weight.equal(other.weight)
    assert one.hidden.weight.equal(other.hidden.weight)
    assert not fit_head(rows, labels, 2, "mlp", seed=4).weight.equal(one.weight)
    assert torch.get_rng_state().equal(state)


def test_a_perceptron_learns_from_its_teacher():
    """Where the labels are noise, the network's own answers are what can be learnt."""
    rows, labels = rings()
    noise = torch.randint(2, labels.shape, generator=torch.Generator().manual_seed(1))
    teacher = 8.0 * F.one_hot(labels, 2)
    taught, alone = (
        fit_head(rows[:1000], noise[:1000], 2, "mlp", teacher=own) for own in (teacher[:1000], None)
    )
    right = [
        (answers(head, rows[1000:]) == labels[1000:]).double().mean() for head in (taught, alone)
    ]
    assert right[0] > 0.9
    assert right[1] < 0.7


def test_features_in_bfloat16_will_do():
    rows, labels = clouds()
    for kind in HEAD_KINDS:
        head = fit_head(rows.bfloat16(), labels, 4, kind)
        assert logits_of(rows, head).dtype == torch.float32
        assert (answers(head, rows) == labels).double().mean() > 0.8
