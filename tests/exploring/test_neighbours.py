import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.exploring import confused_pairs, nearest_neighbours, neighbour_votes
from imprint.exploring.neighbours import EXACT

from .conftest import normal, shuffled


def judged(vectors, k):
    """scikit-learn's nearest other rows by cosine."""
    judge = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute")
    distances, indices = judge.fit(vectors.double().numpy()).kneighbors()
    return 1 - torch.from_numpy(distances), torch.from_numpy(indices)


@given(seed=st.integers(0, 99), count=st.integers(2, 30), width=st.integers(2, 8), data=st.data())
def test_agrees_with_scikit_learn(seed, count, width, data):
    vectors, k = normal(count, width, seed=seed), data.draw(st.integers(1, count - 1))
    found, (similarities, indices) = nearest_neighbours(vectors, k=k), judged(vectors, k)
    torch.testing.assert_close(found.similarities.double(), similarities, atol=1e-5, rtol=0)
    assert torch.equal(found.indices, indices)


def test_the_lengths_of_vectors_make_no_difference():
    vectors = normal(40, 6)
    lengths = 10 ** normal(40, 1, seed=1)
    one, other = nearest_neighbours(vectors, k=5), nearest_neighbours(vectors * lengths, k=5)
    torch.testing.assert_close(one.similarities, other.similarities)
    assert torch.equal(one.indices, other.indices)


def test_a_permutation_permutes_what_is_found():
    vectors, order = normal(40, 6), shuffled(40)
    one, other = nearest_neighbours(vectors, k=5), nearest_neighbours(vectors[order], k=5)
    assert torch.equal(order[other.indices], one.indices[order])


@pytest.mark.parametrize("vectors", [torch.ones(9, 3), torch.zeros(9, 3)], ids=["equal", "zero"])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_no_row_is_its_own_neighbour_even_among_equal_ones(vectors, k):
    similarities, indices = nearest_neighbours(vectors, k=k)
    torch.testing.assert_close(similarities, vectors[:, :1].expand(-1, k))
    for row, others in enumerate(indices.tolist()):
        assert len(set(others) - {row}) == k


def test_beyond_exact_search_most_neighbours_are_still_found():
    vectors = normal(EXACT + 1000, 8)
    found = nearest_neighbours(vectors, k=5)
    asked = torch.arange(0, len(vectors), 100)
    unit = torch.nn.functional.normalize(vectors, dim=1)
    table = unit[asked] @ unit.T
    table[torch.arange(len(asked)), asked] = -1
    true = table.topk(5).indices
    hits = (found.indices[asked][:, :, None] == true[:, None]).any(2)
    assert hits.float().mean() > 0.95
    assert not bool((found.indices == torch.arange(len(vectors))[:, None]).any())
    assert bool((found.similarities.diff(dim=1) <= 0).all())


@pytest.mark.parametrize(
    ("count", "k", "expected"), [(3, 0, 2), (3, 3, 2), (3, -1, 2), (1, 1, 0), (2, 2, 1)]
)
def test_refuses_a_k_out_of_range(count, k, expected):
    with pytest.raises(InvalidValueError, match=f"k: expected 1 … {expected}, .*; got {k}"):
        nearest_neighbours(torch.ones(count, 4), k=k)


def test_without_faiss_names_the_extra(without):
    without("faiss")
    with pytest.raises(MissingExtraError, match=r"faiss: .*imprint\[explore\]"):
        nearest_neighbours(torch.eye(3), k=1)


@given(seed=st.integers(0, 99), count=st.integers(0, 9), k=st.integers(1, 5))
def test_votes_agree_with_naive_loops(seed, count, k):
    labels = shuffled(8, seed) % 3
    indices = (normal(count, k, seed=seed) * 3).long().clamp(-1, 7)
    expected = torch.zeros(count, 4, dtype=torch.int64)
    for row, others in enumerate(indices.tolist()):
        for other in others:
            if other >= 0:
                expected[row, labels[other]] += 1
    assert torch.equal(neighbour_votes(indices, labels, 4), expected)


@given(seed=st.integers(0, 99), count=st.integers(0, 20), most=st.integers(1, 8))
def test_confused_pairs_agree_with_naive_loops(seed, count, most):
    names, labels = "abcd", shuffled(count, seed) % 3
    votes = normal(count, 4, seed=seed).mul(2).long().clamp_min(0)
    expected = {}
    for i, first in enumerate(names):
        for j, second in enumerate(names[i + 1 :], i + 1):
            own, other = votes[labels == i], votes[labels == j]
            crossing, total = own[:, j].sum() + other[:, i].sum(), own.sum() + other.sum()
            if crossing:
                expected[first, second] = round(float(crossing / total), 6)
    found = confused_pairs(votes, labels, names, most=most)
    for row in found:
        assert row["share"] == pytest.approx(expected[row["first"], row["second"]], abs=2e-6)
    shares = [row["share"] for row in found]
    assert shares == pytest.approx(sorted(expected.values(), reverse=True)[:most], abs=2e-6)


def test_one_class_is_confused_with_none():
    assert confused_pairs(torch.tensor([[3]]), torch.tensor([0]), ("a",)) == []


def test_four_and_nine_are_the_digits_most_confused(digits):
    found = nearest_neighbours(digits.images.flatten(1).float(), k=10).indices
    votes = neighbour_votes(found, digits.labels, 10)
    assert (votes.argmax(1) == digits.labels).float().mean() > 0.9
    first = confused_pairs(votes, digits.labels, digits.class_names, most=1)[0]
    assert (first["first"], first["second"]) == (digits.class_names[4], digits.class_names[9])
