import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import pairwise

from imprint.errors import InvalidValueError
from imprint.similarity import (
    cosine_similarity,
    euclidean_distance,
    nearest,
    paired_cosine_similarity,
)


def rows(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@given(n=st.integers(1, 5), m=st.integers(1, 5), d=st.integers(1, 7), seed=st.integers(0, 50))
def test_agrees_with_scikit_learn(n, m, d, seed):
    queries, gallery = rows(n, d, seed), rows(m, d, seed + 100)
    expected = torch.from_numpy(pairwise.cosine_similarity(queries.double(), gallery.double()))
    torch.testing.assert_close(
        cosine_similarity(queries, gallery).double(), expected, atol=1e-5, rtol=0
    )
    distances = torch.from_numpy(pairwise.euclidean_distances(queries.double(), gallery.double()))
    torch.testing.assert_close(
        euclidean_distance(queries, gallery).double(), distances, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180])
def test_known_angles(degrees):
    angle = math.radians(degrees)
    left, right = torch.tensor([[1.0, 0.0]]), torch.tensor([[math.cos(angle), math.sin(angle)]])
    assert paired_cosine_similarity(left, 7 * right).item() == pytest.approx(
        math.cos(angle), abs=1e-6
    )


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_scale_makes_no_difference(scale):
    queries, gallery = rows(3, 4, 0), rows(2, 4, 1)
    scaled = cosine_similarity(queries * scale, gallery)
    torch.testing.assert_close(scaled, cosine_similarity(queries, gallery))


def test_a_zero_row_is_similar_to_nothing():
    zero, one = torch.zeros(1, 3), torch.ones(1, 3)
    assert cosine_similarity(zero, torch.cat((zero, one))).tolist() == [[0.0, 0.0]]
    assert paired_cosine_similarity(one, zero).tolist() == [0.0]


def test_nearest_is_ordered_and_bounded():
    found = nearest(torch.eye(3)[:1], torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 1, 0]]), k=2)
    assert found.indices.tolist() == [[1, 0]]
    assert found.similarities[0, 0] > found.similarities[0, 1]
    with pytest.raises(InvalidValueError, match="k: expected 1 … 3"):
        nearest(torch.eye(3), torch.eye(3), k=4)


def test_refuses_shapes_that_do_not_fit():
    with pytest.raises(InvalidValueError, match=r"\(2, 3\) and \(2, 4\)"):
        cosine_similarity(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(InvalidValueError, match="right: expected 2 rows"):
        paired_cosine_similarity(torch.ones(2, 3), torch.ones(1, 3))
