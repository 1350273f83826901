"""Rules of recommendation, on points at known angles."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.searching import first_of_each, spread_out, taste
from imprint.searching.recommending import AGAINST
from imprint.similarity import cosine_similarity


def at(*degrees):
    """Points on the circle."""
    angles = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
    return torch.stack((angles.cos(), angles.sin()), 1)


def drawn(count, seed=0, size=8):
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def naive_taste(liked, disliked, against):
    """The oracle: a mean of similarities less another, for each of some rows."""
    rows = drawn(50, seed=9)
    scores = []
    for row in rows:
        score = sum(float(row @ own / own.norm()) for own in liked) / len(liked)
        if len(disliked):
            away = sum(float(row @ own / own.norm()) for own in disliked) / len(disliked)
            score -= against * away
        scores.append(score)
    return rows, torch.tensor(scores)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_taste_ranks_by_mean_similarity_to_liked_less_that_to_disliked(count):
    liked, disliked = drawn(4), drawn(count, seed=1)
    rows, expected = naive_taste(liked, disliked, AGAINST)
    torch.testing.assert_close(rows @ taste(liked, disliked), expected, atol=1e-5, rtol=1e-4)


@given(st.permutations(range(5)), st.floats(0.01, 100))
def test_neither_order_nor_length_of_what_is_liked_matters(order, length):
    liked, disliked = drawn(5), drawn(5, seed=1)
    other = taste(liked[list(order)] * length, disliked[list(order)])
    torch.testing.assert_close(other, taste(liked, disliked), atol=1e-5, rtol=1e-4)


def test_neighbours_of_what_is_not_liked_fall():
    rows = at(10, 20, 30, -10, -20, -30)
    liked, disliked = at(0), at(25)
    plain = (rows @ taste(liked)).argsort(descending=True, stable=True).tolist()
    moved = (rows @ taste(liked, disliked)).argsort(descending=True, stable=True).tolist()
    assert [moved.index(place) for place in (3, 4, 5)] == [0, 1, 2]
    assert all(moved.index(place) > plain.index(place) for place in (0, 1, 2) if place != 2)
    near = cosine_similarity(rows, disliked)[:, 0]
    fallen = rows @ taste(liked) - rows @ taste(liked, disliked)
    assert fallen.argsort().tolist() == near.argsort().tolist()


def test_silence_counts_for_nothing():
    liked, silent = drawn(3), torch.zeros(2, 8)
    torch.testing.assert_close(taste(torch.cat((silent, liked))), taste(liked))
    torch.testing.assert_close(taste(liked, silent), taste(liked))
    assert not taste(silent).any()
    assert not taste(silent, liked).any()  # what is not liked alone says nothing of what is


@given(st.integers(0, 20), st.integers(1, 12))
def test_no_spread_is_the_plain_ranking(seed, k):
    rows = drawn(12, seed=seed)
    scores = cosine_similarity(rows, rows[:1])[:, 0]
    assert spread_out(scores, rows, k=k, spread=0).tolist() == scores.topk(k).indices.tolist()


def naive_spread(scores, rows, k, spread):
    """The oracle: the formula of maximal marginal relevance, row by row."""
    chosen, left = [], list(range(len(rows)))
    similar = F.normalize(rows, dim=1) @ F.normalize(rows, dim=1).T
    while left and len(chosen) < k:

        def gain(row):
            if not chosen:
                return float(scores[row])
            return (1 - spread) * float(scores[row]) - spread * max(
                float(similar[row, own]) for own in chosen
            )  # fmt: skip

        best = max(left, key=gain)
        chosen.append(best)
        left.remove(best)
    return chosen


@pytest.mark.parametrize("spread", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_spread_is_maximal_marginal_relevance(spread):
    rows = drawn(30)
    scores = cosine_similarity(rows, drawn(1, seed=3))[:, 0]
    chosen = spread_out(scores, rows, k=10, spread=spread).tolist()
    assert chosen == naive_spread(scores, rows, 10, spread)
    assert len(set(chosen)) == 10


def test_more_spread_makes_results_less_alike():
    rows = drawn(200)
    scores = cosine_similarity(rows, drawn(1, seed=3))[:, 0]
    alike = []
    for spread in (0.0, 0.3, 0.6, 1.0):
        chosen = rows[spread_out(scores, rows, k=10, spread=spread)]
        alike.append(float(cosine_similarity(chosen, chosen).triu(1).sum()))
    assert alike == sorted(alike, reverse=True)
    assert alike[0] > alike[-1]


def test_fewer_rows_than_asked_for():
    assert spread_out(torch.ones(2), torch.eye(2), k=5, spread=0.5).tolist() == [0, 1]
    assert spread_out(torch.ones(0), torch.ones(0, 2), k=5, spread=0.5).tolist() == []


def test_one_of_each_track():
    assert first_of_each(["a", "a", "b", "c", "b", "d"], {"c"}) == [0, 2, 5]
    assert first_of_each([]) == []


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: taste(torch.ones(0, 2)), r"liked: expected \(L, D\), L above 0, got \(0, 2\)"),
        (lambda: taste(torch.ones(2)), r"liked: expected \(L, D\)"),
        (lambda: taste(torch.ones(1, 2), torch.ones(1, 3)), r"disliked: expected \(M, 2\), got"),
        (lambda: taste(torch.ones(1, 2), against=-1), "against: expected at least 0, got -1"),
        (lambda: spread_out(torch.ones(1), torch.ones(1, 2), k=1, spread=1.1), "spread: expected"),
        (lambda: spread_out(torch.ones(2), torch.ones(1, 2), k=1, spread=0), "scores: expected"),
    ],
)
def test_wrong_shapes_and_numbers_are_refused(ask, message):
    with pytest.raises(InvalidValueError, match=message):
        ask()
