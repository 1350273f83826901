"""A gallery: what is added is found, what is there is skipped, what is another's is refused."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imprint.data import load
from imprint.early_exit import EarlyExit, Exit, Head
from imprint.errors import (
    DamagedFileError,
    InvalidValueError,
    LayerError,
    MissingFileError,
    StorageError,
)
from imprint.searching import Added, adding
from imprint.searching import cells as cells_module
from imprint.searching import gallery as gallery_module
from imprint.searching import store as store_module
from imprint.signatures import signature
from imprint.similarity import nearest
from imprint.taps import maps_at
from imprint.types import DataPart, ImageSet

from .conftest import drawn, names, network, write_pictures

LOOK = {"layer": "1"}


def cosine(queries, rows, k):
    """The oracle: similarities and rows in float64."""
    left, right = (own / np.linalg.norm(own, axis=1, keepdims=True) for own in (queries, rows))
    similarity = left.astype(np.float64) @ right.T.astype(np.float64)
    order = np.argsort(-similarity, 1)[:, :k]
    return np.take_along_axis(similarity, order, 1), order


def test_finds_the_nearest_by_cosine(opened):
    rows, queries = drawn(500), drawn(5, seed=1)
    gallery = opened()
    gallery.add_signatures(rows, names(500))
    similarity, order = cosine(queries.numpy(), rows.numpy(), 7)
    for query, expected, places in zip(queries, similarity, order, strict=True):
        found = gallery.search(query, k=7)
        assert [own.id for own in found] == [names(500)[place] for place in places]
        assert [own.similarity for own in found] == pytest.approx(expected, abs=1e-5)
        assert [own.rank for own in found] == list(range(1, 8))


def test_a_length_does_not_matter_and_zeros_are_similar_to_nothing(opened):
    rows = drawn(20)
    rows[3] = 0
    gallery = opened()
    gallery.add_signatures(rows, names(20))
    found = gallery.search(rows[5] * 1000, k=20)
    assert found[0].id == "00005"
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert "00003" not in {own.id for own in found}
    assert len(found) == 19
    assert all(-1 <= own.similarity <= 1 for own in found)
    assert gallery.search(torch.zeros(12)) == gallery.search("00003") == []


def test_an_id_does_not_find_itself(opened):
    gallery = opened()
    gallery.add_signatures(drawn(9), names(9), labels=["a", "b", None] * 3)
    found = gallery.search("00004", k=20)
    assert len(found) == 8
    assert "00004" not in {own.id for own in found}
    assert [own.rank for own in found] == list(range(1, 9))
    assert {own.label for own in gallery.search("00004", where="label = 'b'")} == {"b"}
    with pytest.raises(MissingFileError, match=r"query: expected an id of .*, got 'nowhere'"):
        gallery.search("nowhere")


def test_metadata_filter_and_come_back(opened):
    gallery = opened()
    metadata = {own: {"year": 1990 + n, "place": ["Graz", "it's"][n % 2]} for n, own in
                enumerate(names(10))}  # fmt: skip
    gallery.add_signatures(drawn(10), names(10), metadata=metadata)
    found = gallery.search(drawn(1, seed=3)[0], k=10, where="place = 'it''s' AND year > 1993")
    assert {own.id for own in found} == {"00005", "00007", "00009"}
    assert all(own.metadata == metadata[own.id] for own in found)
    gallery.add_signatures(drawn(2, seed=5), ["x", "y"], metadata={"x": {"mood": "calm"}})
    assert gallery.count("mood IS NULL") == 11
    assert [own.id for own in gallery.search(drawn(1)[0], where="mood = 'calm'")] == ["x"]
    with pytest.raises(InvalidValueError, match="year: expected numbers, as the index has them"):
        gallery.add_signatures(drawn(1), ["z"], metadata={"z": {"year": "late"}})


def test_rows_are_replaced_deleted_and_compacted(opened):
    gallery = opened()
    for start in range(0, 40, 10):
        gallery.add_signatures(drawn(10, seed=start), names(10, start))
    gallery.add_signatures(drawn(1, seed=77), ["00012"])
    assert len(gallery) == 40
    assert gallery.search(drawn(1, seed=77)[0], k=1)[0].similarity == pytest.approx(1, abs=1e-5)
    assert gallery.delete(["00001", "nowhere", "x' OR '1'='1"]) == 1
    assert gallery.delete(where="id < '00010'") == 9
    assert gallery.delete(where="id = 'nowhere'") == 0
    gallery.compact(keep=timedelta(0))
    assert len(opened()) == len(gallery) == 30
    for wrong in ({}, {"ids": ["a"], "where": "id = 'a'"}):
        with pytest.raises(InvalidValueError, match="ids: expected either ids or where"):
            gallery.delete(**wrong)


def test_a_folder_is_added_once(opened, pictures):
    model = network()
    gallery = opened(model=model, **LOOK)
    assert gallery.add(pictures) == Added(added=24)
    again = opened(model=model, **LOOK)
    assert again.add(pictures) == Added(unchanged=24)
    Image.new("L", (8, 8), 200).save(pictures / "lying" / "000.png")
    assert again.add(pictures) == Added(unchanged=23, replaced=1)
    described = {"lying/002.png": {"year": 1999, "label": "own"}, "gone.png": {"year": 1}}
    assert again.add(pictures, metadata=described) == Added(unchanged=23, renewed=1, described=1)
    found = again.search("lying/002.png", k=3)
    assert {own.label for own in found} == {"lying"}
    assert Path(found[0].path).is_file()
    row = again.search(pictures / "lying" / "002.png", k=1)[0]
    assert (row.id, row.label, row.metadata) == ("lying/002.png", "own", {"year": 1999})
    assert row.similarity == pytest.approx(1, abs=1e-5)


def test_rows_of_files_that_are_gone_are_dropped(opened, pictures):
    gallery = opened(model=network(), **LOOK)
    gallery.add(pictures)
    gallery.add_signatures(torch.ones(1, gallery.about.dimensions), ["by hand"])
    assert gallery.prune() == 0
    (pictures / "lying" / "000.png").unlink()
    shutil.rmtree(pictures / "standing")
    assert gallery.prune() == 13
    left = {row.id for row in gallery.rows()}
    assert len(left) == 12
    assert left > {"by hand", "lying/002.png"}
    shutil.rmtree(pictures)
    with pytest.raises(MissingFileError, match="prune: expected a file of the index to be there"):
        gallery.prune()
    assert len(gallery) == 12


def test_metadata_stay_until_they_are_changed(here, pictures):
    gallery = here(model=network(), **LOOK)
    own = "lying/002.png"
    gallery.add(pictures, metadata={own: {"year": 1999, "place": "Graz"}})
    assert gallery.add(pictures) == Added(unchanged=24)
    assert gallery.add(pictures, metadata={own: {"year": None, "mood": "calm"}}).renewed == 1
    Image.new("L", (8, 8), 90).save(pictures / own)
    assert gallery.add(pictures) == Added(unchanged=23, replaced=1)
    row = gallery.row(own)
    assert (row.label, row.metadata) == ("lying", {"place": "Graz", "mood": "calm"})


def test_each_id_comes_once_and_sources_are_such(here):
    images = ImageSet(torch.zeros(2, 1, 8, 8).byte(), torch.zeros(2).long(), ("a",))
    gallery = here(model=network(), **LOOK)
    with pytest.raises(InvalidValueError, match="ids: expected each once, got 'x' twice"):
        gallery.add(DataPart(images, ["x", "x"]))
    with pytest.raises(InvalidValueError, match=r"source: expected a path, .* got Tensor"):
        gallery.add(images.images)


def test_what_is_unchanged_costs_no_forward_pass(here, pictures):
    model, calls = network(), []
    model[1].register_forward_hook(lambda *_: calls.append(1))
    gallery = here(model=model, batch_size=5, **LOOK)
    gallery.add(pictures)
    assert len(calls) == 5
    gallery.add(pictures)
    (pictures.parent / "moved").mkdir()
    moved = pictures.rename(pictures.parent / "moved" / "elsewhere")
    assert gallery.add(moved) == Added(renewed=24)
    assert len(calls) == 5
    assert "moved" in gallery.search("lying/000.png")[0].path


def test_signatures_are_those_of_the_layer(here, pictures):
    model = network()
    gallery = here(model=model, **LOOK)
    gallery.add(pictures)
    for path in sorted(pictures.rglob("*.png"))[:5]:
        image = torch.from_numpy(np.asarray(Image.open(path)).copy())[None]
        expected = signature(maps_at(model, "1", image[None] / 255))[0]
        own = gallery.signature_of(path.relative_to(pictures).as_posix())
        torch.testing.assert_close(own, expected)
        torch.testing.assert_close(gallery.signature_of(image), expected)
        torch.testing.assert_close(gallery.signature_of(image / 255), expected)
    assert gallery.about.shape == (1, 8, 8)


def test_an_id_stays_with_its_file(here, tmp_path):
    first, second = (write_pictures(tmp_path / name, 4, seed) for seed, name in enumerate("ab"))
    told = []
    gallery = here(model=network(), **LOOK)
    gallery.add(first)
    added = gallery.add(second, on_broken=lambda *own: told.append(own))
    assert added == Added(broken=4)
    assert "expected an id of its own" in told[0][1]
    shutil.rmtree(first)
    assert gallery.add(second) == Added(replaced=4)


def test_what_cannot_be_read_is_told_and_skipped(here, pictures, tmp_path):
    (pictures / "lying" / "000.png").write_bytes(b"no image")
    (pictures / "lying" / "empty.png").touch()
    (pictures / "lying" / "folder.png").mkdir()
    (tmp_path / "outside.png").write_bytes((pictures / "lying" / "002.png").read_bytes())
    (pictures / "link.png").symlink_to(tmp_path / "outside.png")
    (pictures / "inside.png").symlink_to(pictures / "lying" / "002.png")
    (pictures / "up").symlink_to(tmp_path)
    (pictures / "lost.png").symlink_to(pictures / "nothing.png")
    told = {}
    added = here(model=network(), **LOOK).add(pictures, on_broken=told.__setitem__)
    assert added == Added(added=24, broken=5)
    assert set(told) == {"lying/000.png", "lying/empty.png", "link.png", "up", "lost.png"}
    assert told["link.png"] == "expected what lies within the folder, got a link out of it"
    assert "expected an image" in told["lying/000.png"]


def test_names_may_be_of_any_script(here, pictures):
    folder = pictures / "Übung's 音楽 🎵"
    folder.mkdir()
    odd = ["ñandú.png", "Ελλάδα.png", "שלום.png", "a'b\"c`d.png", "line\nbreak.png", "%.png"]
    for number, name in enumerate(odd):
        shutil.copy(pictures / "lying" / f"{2 * number:03}.png", folder / name)
    raw = os.fsencode(folder) + b"/\xff\xfe.png"
    shutil.copy(pictures / "lying" / "000.png", raw)
    gallery = here(model=network(), **LOOK)
    assert gallery.add(pictures) == Added(added=31)
    for name in odd:
        assert len(gallery.search(f"{folder.name}/{name}", k=50)) == 30
    assert gallery.add(pictures) == Added(unchanged=31)
    assert gallery.count("label = 'Übung''s 音楽 🎵'") == 7


def test_a_network_that_gives_nan_is_told(here, pictures):
    model, told = network(), []
    with torch.no_grad():
        model[0].weight[0] = torch.nan
    gallery = here(model=model, **LOOK)
    assert gallery.add(pictures, on_broken=lambda *own: told.append(own)) == Added(broken=24)
    assert "expected finite maps" in told[0][1]
    with pytest.raises(MissingFileError, match="index: expected one in"):
        gallery.search(torch.zeros(1, 8, 8))


def test_dead_maps_are_similar_to_nothing(here, pictures):
    model = network()
    with torch.no_grad():
        model[0].weight.zero_(), model[0].bias.zero_()
    gallery = here(model=model, **LOOK)
    assert gallery.add(pictures) == Added(added=24)
    assert gallery.search("lying/000.png") == []
    assert gallery.near_duplicates(0.1) == []


def test_another_networks_signatures_are_refused(opened, pictures):
    opened(model=network(), run="runs/first", **LOOK).add(pictures)
    with pytest.raises(InvalidValueError, match=r"layer 1, network of runs/first\), got other wei"):
        opened(model=network(seed=1), **LOOK)
    with pytest.raises(InvalidValueError, match=r"\(layer 1, .*\), got layer 0"):
        opened(model=network(), layer="0")
    with pytest.raises(InvalidValueError, match="got other weights, another normalisation"):
        opened(model=network(), deviation="paper", **LOOK)
    gallery = opened()
    assert len(gallery.search("lying/000.png")) == 10
    with pytest.raises(InvalidValueError, match="model: expected one and a layer"):
        gallery.search(torch.zeros(1, 8, 8))
    with pytest.raises(InvalidValueError, match="model: expected that of the gallery, got none"):
        gallery.add_signatures(drawn(1), ["a"])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: g.search(torch.zeros(5)), r"query: expected a signature \(12,\), got \(5,\)"),
        (lambda g: g.search(torch.full((12,), torch.nan)), "query: expected a finite signature"),
        (lambda g: g.search("00001", k=0), "k: expected 1 … 10,000, got 0"),
        (lambda g: g.search("00001", where="1 = 1"), "where: expected a column"),
        (lambda g: g.near_duplicates(0), r"least: expected a similarity in \(0, 1\], got 0"),
        (lambda g: g.near_duplicates(most=0), "most: expected 1 … 100,000, got 0"),
        (lambda g: g.add_signatures(drawn(2), ["a", "a"]), "ids: expected 2, each once"),
        (lambda g: g.add_signatures(drawn(2), ["a"]), "ids: expected 2, each once; got 1"),
        (lambda g: g.add_signatures(drawn(1)[:, :4], ["a"]), r"signatures: expected \(N, 12\)"),
        (lambda g: g.add_signatures(drawn(1) / 0, ["a"]), "signatures: expected finite values"),
        (lambda g: g.add_signatures(drawn(1), ["a"], labels=[]), "labels: expected 1, got 0"),
        (lambda g: g.add("mnist"), "model: expected one and a layer to take signatures, got none"),
    ],
)
def test_wrong_questions_are_refused(here, ask, message):
    gallery = here()
    gallery.add_signatures(drawn(5), names(5))
    with pytest.raises(InvalidValueError, match=message):
        ask(gallery)
    assert len(gallery) == 5


def test_wrong_settings_are_refused(here, tmp_path):
    with pytest.raises(InvalidValueError, match="batch_size: expected at least 1, got 0"):
        here(batch_size=0)
    with pytest.raises(InvalidValueError, match="layer: expected one with a model"):
        here(model=network())
    with pytest.raises(LayerError, match="layer: expected one of the model's"):
        here(model=network(), layer="nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValueError, match="data: expected a folder with images"):
        here(model=network(), **LOOK).add(tmp_path / "empty")
    with pytest.raises(MissingFileError, match="data: expected a known name"):
        here(model=network(), **LOOK).add(tmp_path / "nowhere")
    assert len(here()) == 0
    assert not (tmp_path / "index.lance").exists()


def test_a_set_of_another_shape_is_refused(here, pictures):
    gallery = here(model=network(), **LOOK)
    gallery.add(pictures)
    with pytest.raises(InvalidValueError, match=r"data: expected images \(1, 8, 8\), as the index"):
        gallery.add(ImageSet(torch.zeros(2, 1, 9, 9).byte(), torch.zeros(2).long(), ("a",)))


def test_a_newer_format_and_other_tables_are_refused(here, tmp_path, monkeypatch):
    import lancedb

    monkeypatch.setattr("imprint.searching.about.FORMAT", 2)
    here().add_signatures(drawn(2), names(2))
    monkeypatch.undo()
    with pytest.raises(InvalidValueError, match="index of format 1, got 2, which a newer Imprint"):
        here()
    shutil.rmtree(tmp_path / "index.lance")
    lancedb.connect(tmp_path / "index.lance").create_table("signatures", [{"vector": [1.0, 2.0]}])
    with pytest.raises(DamagedFileError, match="expected an index of Imprint's, got another"):
        here()


def test_damage_is_told(here, tmp_path):
    here().add_signatures(drawn(50), names(50))
    for path in (tmp_path / "index.lance").rglob("*.lance"):
        if path.is_file():
            os.truncate(path, 40)
    with pytest.raises(DamagedFileError, match=r"index\.lance: expected an index that can be read"):
        here().search(drawn(1)[0])
    for path in (tmp_path / "index.lance").rglob("*.manifest"):
        os.truncate(path, 10)
    with pytest.raises(DamagedFileError, match=r"index\.lance: expected an index that can be read"):
        here()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("/proc/nowhere/index.lance", tmp_path / "file" / "index.lance"):
        with pytest.raises(StorageError, match="expected to be able to write here"):
            gallery_module.Gallery(place).add_signatures(drawn(2), names(2))


WRITE = """
import sys
from conftest import drawn, names
from imprint import Gallery
gallery = Gallery(sys.argv[1])
for start in range(0, 300, 10):
    gallery.add_signatures(drawn(10, seed=start), names(10, start))
    print(start, flush=True)
gallery.compact()
"""

ADD = """
import sys
from conftest import network
from imprint import Gallery
from imprint.searching import adding
adding.CHUNK = 8
gallery = Gallery(sys.argv[1], model=network(), layer="1")
gallery.add(sys.argv[2], on_added=lambda added: print(added.seen, flush=True))
"""


def started(program, *arguments):
    place = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=place)


def test_a_full_disk_leaves_the_index_as_it_was(here):
    gallery = here()
    gallery.add_signatures(drawn(5), names(5))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"index\.lance: .* write here, File too large"):
            gallery.add_signatures(drawn(5000), names(5000, 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(here()) == len(gallery) == 5
    assert len(gallery.search("00001")) == 4


def test_a_killed_process_leaves_a_readable_index_and_the_next_goes_on(tmp_path, here):
    folder = write_pictures(tmp_path / "pictures", 160)
    process = started(ADD, tmp_path / "index.lance", folder)
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    gallery = here(model=network(), **LOOK)
    before = len(gallery)
    assert 8 <= before < 160
    assert before % 8 == 0
    assert len(gallery.search(folder / "lying" / "000.png", k=200)) == before
    assert gallery.add(folder) == Added(added=160 - before, unchanged=before)
    assert {row.rank for row in gallery.search("lying/000.png", k=200)} == set(range(1, 160))


def test_two_read_while_one_writes(tmp_path, here):
    process = started(WRITE, tmp_path / "index.lance")
    process.stdout.readline()
    readers, counts = (here(), here()), [[], []]
    while process.poll() is None:
        for reader, seen in zip(readers, counts, strict=True):
            seen.append(len(reader))
            assert len(reader.search("00003", k=500)) >= seen[-1] - 1
    process.stdout.close()
    assert process.returncode == 0
    for seen in counts:
        assert seen == sorted(seen)
        assert all(count % 10 == 0 for count in seen)
    assert len(here()) == 300


def test_a_reader_goes_on_after_its_version_is_gone(here):
    writer = here()
    writer.add_signatures(drawn(50), names(50))
    reader = here()
    writer.add_signatures(drawn(50, seed=1), names(50, 50))
    writer.delete(["00003"])
    writer.compact(keep=timedelta(0))
    assert len(reader.search(drawn(1)[0], k=100)) in {50, 99}
    time.sleep(1.1)
    assert len(reader) == 99


@pytest.fixture
def small(monkeypatch):
    """Approximate from 200 rows on."""
    for function in (cells_module.arrange, cells_module.is_loose):
        monkeypatch.setattr(function, "__kwdefaults__", {"exact": 200})


def test_beyond_a_size_the_search_is_approximate_and_still_good(opened, small):
    centres = torch.rand(20, 12, generator=torch.Generator().manual_seed(1))
    rows = (centres[:, None] + 0.1 * drawn(2000).view(20, 100, 12)).flatten(0, 1)
    gallery = opened()
    gallery.add_signatures(rows[:1500], names(1500))
    gallery.compact()
    gallery.add_signatures(rows[1500:], names(500, 1500))  # not yet arranged
    assert cells_of(gallery) == {"cells_of_39", "ids"}
    queries = rows[::40] + 0.02 * drawn(50, seed=9)
    expected = nearest(queries, rows, k=10).indices
    for query, places in zip(queries, expected, strict=True):
        found = {own.id for own in gallery.search(query, k=10)}
        assert len(found & {names(2000)[place] for place in places.tolist()}) >= 9
    few = gallery.search(queries[0], k=10, where="id < '00012'")  # a filter needs more cells
    assert len(few) == 10
    gallery.add_signatures(drawn(3000, seed=4), names(3000, 2000))
    gallery.compact()
    assert cells_of(gallery) == {"cells_of_71", "ids"}


def test_what_is_added_is_tidied_once_it_is_loose(here, small, monkeypatch):
    monkeypatch.setattr(adding, "CHUNK", 100)
    monkeypatch.setattr(cells_module, "SMALL_FILES", 4)
    images = torch.randint(256, (460, 1, 8, 8), dtype=torch.uint8)
    labels = torch.zeros(460, dtype=torch.int64)
    paths = names(460)
    gallery = here(model=network(), **LOOK)
    gallery.add(DataPart(ImageSet(images[:150], labels[:150], ("a",)), paths[:150]))
    assert cells_of(gallery) == set()
    gallery.add(DataPart(ImageSet(images, labels, ("a",)), paths))
    assert cells_of(gallery) == {"cells_of_21", "ids"}
    assert gallery._store._table.stats()["fragment_stats"]["num_fragments"] == 1
    assert [own.id for own in gallery.search(images[455], k=1)] == ["00455"]


def cells_of(gallery):
    return {index.name for index in gallery._store._table.list_indices()}


def test_neighbours_of_digits_share_their_class(here):
    train = load("mnist").train
    digits = ImageSet(train.images[:1200], train.labels[:1200], train.class_names)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 7, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(32, 64, 5),
        torch.nn.ReLU(),
    )  # fmt: skip
    gallery = here(model=model, layer="3")
    gallery.add(digits)
    found = [gallery.search(f"all/{row}", k=5) for row in range(0, 1200, 12)]
    labels = [digits.class_names[digits.labels[row]] for row in range(0, 1200, 12)]
    right = [own.label == label for rows, label in zip(found, labels, strict=True) for own in rows]
    assert sum(right) / len(right) > 0.5  # by chance 0.1; even an untrained network tells digits


@pytest.mark.parametrize("name", ["music:2024", "a#b?c=d", "50%25", "a b"])
def test_a_folder_may_have_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    gallery_module.Gallery(name).add_signatures(drawn(3), names(3))
    assert (tmp_path / name).is_dir()
    assert len(gallery_module.Gallery(name)) == 3


def test_a_reader_sees_columns_that_came_since(here, monkeypatch):
    here().add_signatures(drawn(3), names(3))
    reader = here()
    reader.search("00000")
    here().add_signatures(drawn(1, seed=1), ["new"], metadata={"new": {"place": "Graz"}})
    monkeypatch.setattr(store_module, "FRESH", timedelta(0))
    reader._store._table.checkout_latest()
    assert {row.id: row.metadata for row in reader.search("00000")}["new"] == {"place": "Graz"}


def test_what_is_no_file_does_not_keep_us_waiting(here, pictures):
    os.mkfifo(pictures / "pipe.png")
    (pictures / "circle.png").symlink_to("circle.png")
    told = []
    added = here(model=network(), layer="1").add(
        pictures, on_broken=lambda own, reason: told.append((own, reason))
    )
    assert added.added == 24
    assert [own for own, _ in told] == ["circle.png", "pipe.png"]
    assert "pipe.png: expected a file, found none" in told[1]


def test_images_do_not_fit_a_network_for_sound(here, pictures):
    told = []
    gallery = here(model=network(channels=2), layer="1", shape=(2, 8, 8))
    gallery.add(pictures, on_broken=lambda _, reason: told.append(reason))
    assert len(told) == 24
    assert "expected 2 channels, as of sound, which no image file has" in told[0]


def test_threads_may_search_at_once(here, pictures):
    gallery = here(model=network(), **LOOK)
    gallery.add(pictures)
    paths = [pictures / own for own in ("lying/000.png", "standing/001.png")] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda path: gallery.search(path, k=1)[0].id, paths))
    assert found == [path.relative_to(pictures).as_posix() for path in paths]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_signs_too(here, pictures, dtype):
    gallery = here(model=network().to(dtype), **LOOK)
    assert gallery.add(pictures).added == 24
    assert gallery.search(pictures / "lying" / "000.png", k=1)[0].id == "lying/000.png"


def test_a_network_with_open_exits_is_refused(here, pictures):
    model = network().eval()
    head = Head(torch.zeros(2, 12), torch.tensor([0.0, 9.0]))
    with EarlyExit((Exit("1", (6, 6, 6), head, 1.0),))(model):
        gallery = here(model=model, **LOOK)
        with pytest.raises(LayerError, match="expected one without open exits"):
            gallery.add(pictures)
