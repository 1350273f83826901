import math
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.exploring import ClassMoments

from .conftest import drawn, normal, shuffled


def moments_of(vectors, labels, num_classes=3):
    moments = ClassMoments(num_classes, vectors.shape[1])
    moments.update(vectors, labels)
    return moments


def naive(vectors, labels, num_classes):
    """Means and deviations by loops over classes, entries and samples."""
    means, stds = [], []
    for k in range(num_classes):
        columns = list(zip(*vectors[labels == k].double().tolist(), strict=True))
        columns = columns or [()] * vectors.shape[1]
        own = [math.fsum(c) / max(1, len(c)) for c in columns]
        squares = [
            math.fsum((x - m) ** 2 for x in c) / max(1, len(c))
            for c, m in zip(columns, own, strict=True)
        ]
        means.append(own)
        stds.append([math.sqrt(square) for square in squares])
    return torch.tensor(means), torch.tensor(stds)


def check_equal(one, other):
    assert torch.equal(one.counts, other.counts)
    torch.testing.assert_close(one.means, other.means, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(one.stds, other.stds, rtol=1e-5, atol=1e-5)


batches = {"seed": st.integers(0, 99), "count": st.integers(0, 20), "width": st.integers(1, 5)}


@given(**batches, shift=st.sampled_from([0.0, 5.0, 1000.0]))
def test_agrees_with_naive_loops_in_float64(seed, count, width, shift):
    vectors, labels = normal(count, width, seed=seed) + shift, shuffled(count, seed) % 3
    moments = moments_of(vectors, labels, 4)
    means, stds = naive(vectors, labels, 4)
    torch.testing.assert_close(moments.means, means, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(moments.stds, stds, rtol=1e-4, atol=1e-5 * max(1, shift / 10))
    assert moments.counts.tolist() == [int((labels == k).sum()) for k in range(4)]
    assert (moments.means.dtype, moments.stds.dtype) == (torch.float32, torch.float32)


@given(**batches, cut=st.integers(0, 20))
def test_order_and_batches_make_no_difference(seed, count, width, cut):
    vectors, labels = normal(count, width, seed=seed), shuffled(count, seed) % 3
    whole, order = moments_of(vectors, labels), shuffled(count, seed + 1)
    parts = ClassMoments(3, width)
    for rows in (order[:cut], order[cut:]):
        parts.update(vectors[rows], labels[rows])
    check_equal(parts, whole)


def test_merged_streams_are_one_stream_in_any_order_and_grouping():
    vectors, labels = normal(90, 4), shuffled(90) % 3
    whole = moments_of(vectors, labels)
    for order in permutations(range(3)):
        one, two, three = (moments_of(vectors[i::3], labels[i::3]) for i in order)
        one.merge(two)
        one.merge(three)
        check_equal(one, whole)
    one, two, three = (moments_of(vectors[i::3], labels[i::3]) for i in range(3))
    two.merge(three)
    one.merge(two)
    check_equal(one, whole)
    assert torch.equal(three.counts, moments_of(vectors[2::3], labels[2::3]).counts)  # only read


@given(factor=st.floats(0.01, 100), seed=st.integers(0, 9))
def test_means_and_deviations_scale_with_the_vectors(factor, seed):
    vectors, labels = normal(30, 3, seed=seed), shuffled(30) % 3
    one, scaled = moments_of(vectors, labels), moments_of(vectors * factor, labels)
    torch.testing.assert_close(scaled.means, one.means * factor, rtol=1e-4, atol=1e-5 * factor)
    torch.testing.assert_close(scaled.stds, one.stds * factor, rtol=1e-4, atol=1e-5 * factor)


@pytest.mark.parametrize("value", [0, 1, 77, 255])
def test_equal_images_have_no_deviation(value):
    vectors = torch.full((7, 5), value, dtype=torch.uint8)
    moments = moments_of(vectors, torch.zeros(7, dtype=torch.int64))
    assert moments.means[0].tolist() == [value] * 5
    assert not moments.stds.any()


def test_bytes_do_not_overflow():
    vectors = drawn(5000, 2)
    moments = moments_of(vectors, torch.zeros(5000, dtype=torch.int64))
    torch.testing.assert_close(moments.means[0], vectors.float().mean(0))
    torch.testing.assert_close(moments.stds[0], vectors.float().std(0, correction=0))


@pytest.mark.parametrize(("num_classes", "width"), [(0, 3), (3, 0), (-1, 1)])
def test_refuses_numbers_below_one(num_classes, width):
    with pytest.raises(InvalidValueError, match=f"at least 1 each, got {num_classes} and {width}"):
        ClassMoments(num_classes, width)


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (torch.ones(2, 4), [0, 1], r"vectors: expected \(N, 3\) and \(N,\), got \(2, 4\)"),
        (torch.ones(2, 3), [0], r"labels \(1,\)"),
        (torch.ones(3), [0], r"got \(3,\)"),
        (torch.ones(2, 3), [[0], [1]], r"labels \(2, 1\)"),
        (torch.ones(2, 3), [0, 2], "labels: expected values in 0 … 1, got 0 … 2"),
        (torch.ones(2, 3), [-1, 0], "got -1 … 0"),
    ],
)
def test_takes_nothing_in_of_what_does_not_fit(vectors, labels, message):
    moments = ClassMoments(2, 3)
    with pytest.raises(InvalidValueError, match=message):
        moments.update(vectors, torch.tensor(labels))
    assert not moments.counts.any()
    assert not moments.means.any()


@pytest.mark.parametrize("other", [ClassMoments(2, 4), ClassMoments(3, 3)])
def test_merges_only_its_like(other):
    with pytest.raises(InvalidValueError, match=r"other: expected classes and width \(2, 3\), got"):
        ClassMoments(2, 3).merge(other)
