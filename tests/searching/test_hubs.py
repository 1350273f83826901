"""Local scaling: rows that are near to everything fall, and music is found more often."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.data import AudioOptions, survey
from imprint.searching import Gallery, cells, hubs, scaled_locally
from imprint.training import SameTrackSettings, train_same_track

from .conftest import drawn, names


def naive_order(query, rows, *, tracks=None, but=None):
    """The oracle, in loops and float64: places by similarity less half of what is usual there."""
    rows = rows.numpy().astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = query.numpy().astype(np.float64)
    tracks = range(len(rows)) if tracks is None else tracks
    scores = {}
    for place, row in enumerate(rows):
        best = {}
        for other, track in zip(rows, tracks, strict=True):
            if track != tracks[place]:
                best[track] = max(best.get(track, -1.0), float(row @ other))
        usual = float(np.mean(sorted(best.values())[-10:])) if best else 0.0
        scores[place] = float(row @ query) / np.linalg.norm(query) - usual / 2
    return [place for place in sorted(scores, key=lambda own: -scores[own]) if place != but]


def with_hubs(size=12):
    """Points on one side of the origin, and two that stand in their midst."""
    rows = torch.randn(60, size, generator=torch.Generator().manual_seed(0)) + 0.7
    rows[:2] = 0.7 + 0.05 * rows[:2]
    return rows


def test_ranks_as_a_naive_loop_does(opened):
    rows, queries = with_hubs(), drawn(4, seed=1) - 0.4
    gallery = opened()
    gallery.add_signatures(rows, names(60))
    for query in queries:
        found = gallery.search(query, k=12, local_scaling=True)
        assert [int(own.id) for own in found] == naive_order(query, rows)[:12]
        assert [own.rank for own in found] == list(range(1, 13))
        plain = {own.id: own.similarity for own in gallery.search(query, k=60)}
        assert [own.similarity for own in found] == pytest.approx([plain[own.id] for own in found])
    found = gallery.search("00007", k=59, local_scaling=True)
    assert [int(own.id) for own in found] == naive_order(rows[7], rows, but=7)


def test_only_rows_that_a_filter_leaves_are_neighbours(here):
    rows, query = with_hubs(), drawn(1, seed=3)[0] - 0.4
    gallery = here()
    halves = {own: {"half": int(own) % 2} for own in names(60)}
    gallery.add_signatures(rows, names(60), metadata=halves)
    found = gallery.search(query, k=30, where="half = 1", local_scaling=True)
    assert [int(own.id) // 2 for own in found] == naive_order(query, rows[1::2])
    assert [own.id for own in gallery.search(query, where="id = '00003'", local_scaling=True)] == [
        "00003"
    ]


def test_a_hub_is_found_by_fewer(here):
    rows = with_hubs(size=32)
    gallery = here()
    gallery.add_signatures(rows, names(60))

    def finders(scaled):
        found = [gallery.search(own, k=5, local_scaling=scaled) for own in names(60)[2:]]
        return sum(own.id in {"00000", "00001"} for some in found for own in some)

    assert finders(scaled=False) > 80  # of 116
    assert finders(scaled=True) < 40


def test_it_recommends_by_the_same_rule_one_of_each_track(here):
    rows = with_hubs()
    gallery = here()
    tracks = [place // 2 for place in range(60)]
    columns = {own: {"track": f"track {int(own) // 2}"} for own in names(60)}
    gallery.add_signatures(rows, names(60), metadata=columns)
    found = gallery.recommend(["00007"], k=29, local_scaling=True)
    assert "00006" not in {own.id for own in found}
    plain = {own.id: own.score for own in gallery.recommend(["00007"], k=29)}
    assert plain.keys() == {own.id for own in found}
    order = [f"{place:05}" for place in naive_order(rows[7], rows, tracks=tracks)]
    assert [own.id for own in found] == [own for own in order if own in plain]
    assert all(own.score < plain[own.id] for own in found)
    spread = gallery.recommend(["00007"], k=5, spread=0.5, local_scaling=True)
    assert spread[0] == found[0]


@pytest.mark.parametrize("each", [3, 12])
def test_excerpts_of_its_own_track_lower_no_row(here, each):
    """A track of many excerpts ranks as if it had one."""
    rows, query = with_hubs(), drawn(1, seed=3)[0] - 0.4
    noise = 1e-4 * torch.randn(each, 12, generator=torch.Generator().manual_seed(1))
    joined = torch.cat([rows, rows[30] + noise])
    ids, many = names(60 + each), names(each, 60)
    columns = {own: {"track": "many" if own in {"00030", *many} else own} for own in ids}
    gallery = here()
    gallery.add_signatures(joined, ids, metadata=columns)
    tracks = [columns[own]["track"] for own in ids]
    found = [int(own.id) for own in gallery.search(query, k=60 + each, local_scaling=True)]
    assert found == naive_order(query, joined, tracks=tracks)
    one = naive_order(query, rows)
    assert [place for place in found if place < 60] == one


def test_neighbours_are_found_in_cells_and_some_rows_at_a_time(here, monkeypatch):
    rows, query = with_hubs(), drawn(1, seed=3)[0] - 0.4
    index = here()
    index.add_signatures(rows, names(60))
    whole = index.search(query, k=60, local_scaling=True)
    monkeypatch.setattr(hubs, "AT_ONCE", 7)
    assert index.search(query, k=60, local_scaling=True) == whole
    assert cells.arrange(index._store._table, exact=0)
    in_cells = here().search(query, k=60, local_scaling=True)  # of which all are looked into
    assert [own.id for own in in_cells] == [own.id for own in whole]


def test_a_row_that_is_deleted_meanwhile_is_left_out(here, monkeypatch):
    index = here()
    index.add_signatures(with_hubs(), names(60))
    nearest = index._store.nearest

    def and_gone(*given):
        found = nearest(*given)
        index.delete([found[0][0].id])
        return found

    monkeypatch.setattr(index._store, "nearest", and_gone)
    best = index.search(drawn(1)[0], k=60)[0].id
    monkeypatch.undo()
    index.add_signatures(with_hubs(), names(60))
    monkeypatch.setattr(index._store, "nearest", and_gone)
    found = index.search(drawn(1)[0], k=60, local_scaling=True)
    assert len(found) == 59
    assert best not in {own.id for own in found}


def test_silence_and_nothing_are_found_by_nothing(here):
    gallery = here()
    rows = drawn(3)
    rows[1] = 0
    gallery.add_signatures(rows, names(3))
    assert gallery.search("00001", local_scaling=True) == []
    assert gallery.recommend(["00001"], local_scaling=True) == []
    assert [own.id for own in gallery.search("00000", local_scaling=True)] == ["00002"]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9), st.floats(-1, 1))
def test_what_is_usual_for_all_alike_changes_no_order(similarities, usual):
    rows = torch.tensor(similarities, dtype=torch.float64)
    scaled = scaled_locally(rows, torch.full_like(rows, usual))
    torch.testing.assert_close(scaled - scaled[0], rows - rows[0])


def test_in_music_that_was_not_heard_results_are_more_even_and_not_worse(tmp_path):
    """Long orchestral pieces, looked for among one another: nothing was learnt from them."""
    data = os.environ.get("IMPRINT_DATA")
    if not data or not (Path(data) / "music").is_dir():
        pytest.skip("needs the folder music in IMPRINT_DATA")
    part = survey(Path(data) / "music", audio=AudioOptions(seconds=15))["all"]
    collections = part.metadata["collection"]
    held = torch.tensor([name == "wesnoth-1.16-music" for name in collections])
    train, test = part.images.taken(~held), part.images.taken(held)
    network, result = train_same_track(train, test, SameTrackSettings())
    with torch.inference_mode():
        vectors = network(test.images.float() / 255)
    gallery = Gallery(tmp_path / "music.lance")
    ids = names(len(vectors))
    tracks = {own: {"track": str(int(track))} for own, track in zip(ids, test.groups, strict=True)}
    gallery.add_signatures(vectors, ids, metadata=tracks)

    def judged(scaled):
        found = {own: gallery.search(own, k=5, local_scaling=scaled) for own in ids}
        first = np.mean([near[0].metadata == tracks[own] for own, near in found.items()])
        counts = Counter(row.id for near in found.values() for row in near)
        return first, np.std([counts[own] for own in ids])

    (plain, uneven), (scaled, even) = judged(scaled=False), judged(scaled=True)
    assert plain == pytest.approx(result["first"])
    assert scaled >= plain
    assert even < 0.8 * uneven
