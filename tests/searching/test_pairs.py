"""Near duplicates: all pairs, each once, here and beyond the size up to which all are compared."""

import pytest
import torch

from imprint.searching import pairs as pairs_module
from imprint.searching.pairs import near_pairs
from imprint.similarity import cosine_similarity

from .conftest import drawn, names


def planted():
    """200 rows among which three are nearly another one, and two are zeros."""
    rows = torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    rows[7], rows[150], rows[151] = rows[3] * 2, rows[3] + 1e-3, rows[90] + 0.02
    rows[50] = rows[51] = 0
    return rows


@pytest.mark.parametrize("exact", [1000, 10])
def test_finds_what_a_table_of_all_pairs_says(here, exact, monkeypatch):
    monkeypatch.setattr(pairs_module, "AT_ONCE", 64)
    rows, gallery = planted(), here()
    gallery.add_signatures(rows, names(200))
    similarity = cosine_similarity(rows, rows).triu(1)
    for least in (0.999999, 0.995, 0.9):
        places = (similarity >= least).nonzero().tolist()
        expected = {(names(200)[a], names(200)[b]): float(similarity[a, b]) for a, b in places}
        found = near_pairs(gallery._store, least, most=1000, exact=exact)
        assert {own[:2] for own in found} == set(expected)
        assert len(found) == len(expected)
        assert [own.similarity for own in found] == sorted(expected.values(), reverse=True) or all(
            own.similarity == pytest.approx(expected[own[:2]], abs=1e-5) for own in found
        )


def test_gives_the_most_similar_ones_and_filters_both(opened):
    gallery = opened()
    labels = ["a" if number < 100 else "b" for number in range(200)]
    gallery.add_signatures(planted(), names(200), labels=labels)
    assert gallery.near_duplicates(0.9, most=1)[0][:2] == ("00003", "00007")
    whole = gallery.near_duplicates(0.999)
    within = gallery.near_duplicates(0.999, where="label = 'a'")
    assert {own[:2] for own in within} == {("00003", "00007")}
    assert len(whole) == 4
    assert gallery.near_duplicates(1.0, where="label = 'nowhere'") == []


def test_a_single_row_has_no_pair(here):
    gallery = here()
    gallery.add_signatures(drawn(1), ["a"])
    assert gallery.near_duplicates(0.5) == []
    assert near_pairs(gallery._store, 0.5, most=10, exact=0) == []


def test_many_equal_rows_take_no_longer(here, monkeypatch):
    gallery = here()
    gallery.add_signatures(torch.ones(600, 12), names(600))
    made = []
    made_of = pairs_module._pair
    monkeypatch.setattr(pairs_module, "_pair", lambda *own: made.append(1) or made_of(*own))
    found = gallery.near_duplicates(0.999, most=10)
    assert len(found) == 10
    assert len(made) == 10  # of 179,700


def test_the_least_similarity_of_all_pairs_no_row_with_itself(here):
    gallery = here()
    gallery.add_signatures(torch.eye(3, 12), names(3))
    assert gallery.near_duplicates(1e-7) == []
