import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from imprint.early_exit.heads import (
    HEAD_KINDS,
    PENALTY,
    check_kinds,
    features_of,
    fit_head,
    grid_means,
    head_logits,
    margins,
)
from imprint.errors import InvalidValueError


def clouds(count=600, width=6, classes=4, seed=0):
    """Gaussian clouds of entries of very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=generator) * 1.5
    scale = torch.logspace(-2, 2, width)
    rows = (centres[labels] + torch.randn(count, width, generator=generator)) * scale + 3 * scale
    return rows, labels


def answers(head, rows):
    return (rows @ head.weight.T + head.bias).argmax(1)


def standard(rows):
    return ((rows - rows.mean(0)) / rows.std(0, correction=0)).numpy()


def test_the_probe_is_scikit_learns_regression():
    rows, labels = clouds()
    head = fit_head(rows, labels, 4, "probe")
    judge = LogisticRegression(C=1 / (2 * PENALTY * len(rows)), max_iter=1000, tol=1e-8)
    judge.fit(standard(rows), labels)
    expected = judge.predict_log_proba(standard(rows))
    own = (rows @ head.weight.T + head.bias).log_softmax(1)
    np.testing.assert_allclose(own.numpy(), expected, atol=0.05)


def test_the_nearest_prototype_is_scikit_learns_centroid():
    rows, labels = clouds()
    head = fit_head(rows, labels, 4, "prototype")
    expected = NearestCentroid().fit(standard(rows), labels).predict(standard(rows))
    assert (answers(head, rows).numpy() == expected).mean() > 0.995


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_scale_shift_and_order_of_the_samples_do_not_matter(kind):
    rows, labels = clouds()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    head = fit_head(rows, labels, 4, kind)
    other = fit_head(5 * rows[order] - 7, labels[order], 4, kind)
    own, moved = (rows @ head.weight.T + head.bias), ((5 * rows - 7) @ other.weight.T + other.bias)
    torch.testing.assert_close(margins(own), margins(moved), rtol=0.02, atol=0.02)


def test_an_entry_that_never_changes_tells_nothing():
    rows, labels = clouds()
    rows[:, 2] = 7.0
    head = fit_head(rows, labels, 4, "probe")
    assert (head.weight[:, 2] == 0).all()
    assert head.weight.isfinite().all()


@given(st.integers(4, 9), st.integers(4, 9))
def test_grid_means_are_those_of_a_loop(height, width):
    maps = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    own = grid_means(maps).view(2, 3, 4, 4)
    for i in range(4):
        rows = slice(i * height // 4, -(-(i + 1) * height // 4))
        for j in range(4):
            columns = slice(j * width // 4, -(-(j + 1) * width // 4))
            expected = maps[:, :, rows, columns].mean((2, 3))
            torch.testing.assert_close(own[:, :, i, j], expected)


def test_features_of_tokens_and_vectors():
    tokens, vectors = torch.rand(2, 12, 5), torch.rand(2, 5)
    expected = tokens.view(2, 4, 3, 5).mean(2).transpose(1, 2).flatten(1)
    torch.testing.assert_close(grid_means(tokens), expected)
    assert grid_means(vectors).equal(vectors)
    assert features_of(tokens, "probe").shape == (2, 10)


def test_logits_of_maps_are_those_of_their_features():
    maps = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % 2
    for kind in HEAD_KINDS:
        features = features_of(maps, kind)
        head = fit_head(features, labels, 2, kind)
        assert head.kind == kind
        torch.testing.assert_close(head_logits(maps, head), features @ head.weight.T + head.bias)


def test_margins_are_never_negative_and_nan_stays():
    logits = torch.tensor([[1.0, 4.0, 3.5], [2.0, 2.0, 1.0], [torch.nan, 0.0, 1.0]])
    assert margins(logits)[:2].tolist() == [0.5, 0.0]
    assert margins(logits)[2].isnan()


def test_mistakes_are_told():
    rows, labels = clouds()
    with pytest.raises(InvalidValueError, match=r"each of 5 classes .* got none of \[4\]"):
        fit_head(rows, labels, 5, "probe")
    rows[3, 1] = torch.nan
    with pytest.raises(InvalidValueError, match="features: expected finite values"):
        fit_head(rows, labels, 4, "probe")
    with pytest.raises(InvalidValueError, match="head: expected prototype, probe, grid, got none"):
        check_kinds([])
