import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.exploring import (
    ClassMoments,
    Fences,
    fences_of,
    outlier_scores,
    own_distances,
)

from .conftest import drawn, normal, shuffled

one_class = torch.zeros(1, dtype=torch.int64)


def scores_of(distances, labels, num_classes):
    return outlier_scores(distances, labels, fences_of(distances, labels, num_classes))


@given(seed=st.integers(0, 99), count=st.integers(0, 12), width=st.integers(1, 6))
def test_distances_agree_with_naive_loops_in_float64(seed, count, width):
    vectors, centroids = normal(count, width, seed=seed), normal(3, width, seed=seed + 1)
    labels = shuffled(count, seed) % 3
    expected = [
        math.dist(row, centroids[label].tolist())
        for row, label in zip(vectors.tolist(), labels.tolist(), strict=True)
    ]
    actual = own_distances(vectors, labels, centroids)
    torch.testing.assert_close(actual, torch.tensor(expected), rtol=1e-5, atol=1e-6)


@given(seed=st.integers(0, 99), count=st.integers(1, 40))
def test_fences_agree_with_numpys_percentiles(seed, count):
    distances, labels = normal(count, seed=seed).abs(), shuffled(count, seed) % 3
    fences = fences_of(distances, labels, 4)
    for k in range(4):
        own = distances[labels == k].double().numpy()
        known = len(own) >= 5
        low, high = np.percentile(own, [25, 75]) if known else (math.nan, math.nan)
        spread = high - low if known else 0
        assert fences.third[k].item() == pytest.approx(high, rel=1e-6, nan_ok=True)
        assert fences.spread[k].item() == pytest.approx(spread, rel=1e-5, abs=1e-6)


@given(seed=st.integers(0, 99), count=st.integers(10, 60))
def test_outliers_are_those_beyond_tukeys_fence(seed, count):
    distances, labels = normal(count, seed=seed).abs() ** 3, shuffled(count, seed) % 2
    scores = scores_of(distances, labels, 2)
    assert bool(((scores >= 0) & (scores <= 1)).all())
    for k in range(2):
        own = distances[labels == k].double().numpy()
        if len(own) > 1:
            low, high = np.percentile(own, [25, 75])
            margin = (own - (high + 1.5 * (high - low))) / high
            clear = np.abs(margin) > 1e-5
            beyond = (scores[labels == k] > 0.5).numpy()
            assert np.array_equal(beyond[clear], margin[clear] > 0)


def test_the_score_follows_its_formula():
    fences = Fences(torch.tensor([2.0, 10.0]), torch.tensor([1.0, 4.0]))
    distances, labels = torch.tensor([0.0, 2.0, 5.0, 16.0, 16.0]), torch.tensor([0, 0, 0, 0, 1])
    z = [0, 0, 3, 14, 1.5]
    expected = torch.tensor([each / (each + 1.5) for each in z])
    torch.testing.assert_close(outlier_scores(distances, labels, fences), expected)


@given(seed=st.integers(0, 20), factor=st.floats(0.01, 1000))
def test_order_and_scale_make_no_difference(seed, factor):
    distances, labels = normal(50, seed=seed).abs() + 0.1, shuffled(50, seed) % 3
    scores, order = scores_of(distances, labels, 3), shuffled(50, seed + 1)
    torch.testing.assert_close(scores_of(distances[order], labels[order], 3), scores[order])
    scaled = scores_of(distances * factor, labels, 3)
    torch.testing.assert_close(scaled, scores, rtol=1e-3, atol=1e-4)


def test_the_score_grows_with_the_distance():
    fences = Fences(torch.tensor([2.0]), torch.tensor([1.0]))
    scores = outlier_scores(torch.linspace(0, 50, 200), one_class.expand(200), fences)
    assert bool((scores.diff() >= 0).all())


def test_among_equal_images_whatever_differs_is_an_outlier():
    vectors = torch.full((40, 64), 77.7)
    labels = one_class.expand(40)
    moments = ClassMoments(1, 64)
    moments.update(vectors, labels)
    assert not scores_of(own_distances(vectors, labels, moments.means), labels, 1).any()
    vectors[7] += 1
    scores = scores_of(own_distances(vectors, labels, torch.full((1, 64), 77.7)), labels, 1)
    assert scores.nonzero().flatten().tolist() == [7]
    assert scores[7] == 1


def test_one_sample_lies_nowhere_out():
    assert scores_of(torch.tensor([3.0]), one_class, 1).isnan().all()


def test_a_class_without_a_sample_condemns_nobody():
    fences = fences_of(torch.tensor([1.0, 2.0]), torch.tensor([0, 0]), 2)
    assert fences.third[1].isnan()
    assert outlier_scores(torch.tensor([9.0]), torch.tensor([1]), fences).isnan().all()


def test_nothing_has_no_outliers():
    assert scores_of(torch.zeros(0), one_class[:0], 2).shape == (0,)


@pytest.mark.parametrize(
    ("distances", "labels"), [((3,), (2,)), ((3, 1), (3, 1)), ((), ())], ids=str
)
def test_refuses_shapes_that_do_not_fit(distances, labels):
    with pytest.raises(InvalidValueError, match=r"distances: expected \(N,\) and labels \(N,\)"):
        fences_of(torch.zeros(distances), torch.zeros(labels, dtype=torch.int64), 2)


def test_noise_among_digits_lies_farthest_out(digits):
    images, labels = digits.images.flatten(1).float().clone(), digits.labels
    images[::100] = drawn(24, 784).float()
    moments = ClassMoments(10, 784)
    moments.update(images, labels)
    scores = scores_of(own_distances(images, labels, moments.means), labels, 10)
    assert set(scores.topk(24).indices.tolist()) == set(range(0, 2400, 100))
    assert bool((scores[::100] > 0.5).all())
    assert (scores > 0.5).float().mean() < 0.05
