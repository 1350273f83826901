"""A store of maps: what is written is read, what was interrupted goes on, others are refused."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from imprint.errors import DamagedFileError, InvalidValueError, StorageError
from imprint.on_maps import MapStore, StoredMaps, check_space, extract
from imprint.on_maps import extraction as extraction_module
from imprint.on_maps import store as store_module

ABOUT = StoredMaps("conv1", "before-activation", 10, (2, 3, 4), "float16", weights="w", data="d")
MAPS = torch.randn(10, 2, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(extraction_module, "CHUNK_BYTES", 2 * ABOUT.row_bytes * 2)


def taken(store, batch_size=2, seen=None):
    def read(rows):
        if seen is not None:
            seen.append(rows.tolist())
        return MAPS[rows]

    return extract(store, read, batch_size=batch_size)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_what_is_written_is_read(tmp_path, dtype, channels_last):
    about = replace(ABOUT, dtype=dtype, channels_last=channels_last)
    maps = taken(MapStore(tmp_path / "s", about), batch_size=3)
    assert torch.equal(maps, MAPS.to(getattr(torch, dtype)))
    assert maps.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert torch.equal(MapStore(tmp_path / "s", about).maps(), maps)


def test_each_batch_has_the_same_size(tmp_path):
    seen = []
    taken(MapStore(tmp_path, ABOUT), batch_size=4, seen=seen)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]


def test_a_complete_store_is_looked_into_and_not_taken_again(tmp_path):
    taken(MapStore(tmp_path, ABOUT))
    seen = []
    assert torch.equal(taken(MapStore(tmp_path, ABOUT), seen=seen), MAPS.half())
    assert seen == [[0, 1]]


@pytest.mark.parametrize("rows", [4, 10])
@pytest.mark.parametrize("channels_last", [False, True])
def test_maps_that_the_same_weights_give_no_more_are_told(tmp_path, rows, channels_last):
    about = replace(ABOUT, channels_last=channels_last)
    MapStore(tmp_path, about).append(MAPS[:rows])
    with pytest.raises(InvalidValueError, match=r"maps that the network gives now.*name another"):
        extract(MapStore(tmp_path, about), lambda rows: MAPS[rows] + 0.1, batch_size=3)
    with pytest.raises(InvalidValueError, match="up to nan apart"):
        extract(MapStore(tmp_path, about), lambda rows: MAPS[rows] * torch.nan, batch_size=3)
    kept = extract(MapStore(tmp_path, about), lambda rows: 1.001 * MAPS[rows], batch_size=3)
    assert torch.equal(kept[:rows], MAPS[:rows].half())


def test_an_interrupted_one_goes_on_from_its_last_chunk(tmp_path, small_chunks):
    def read(rows):
        if 6 in rows:
            raise KeyboardInterrupt
        return MAPS[rows]

    with pytest.raises(KeyboardInterrupt):
        extract(MapStore(tmp_path, ABOUT), read, batch_size=2)
    store = MapStore(tmp_path, ABOUT)
    assert store.rows == 4
    with pytest.raises(DamagedFileError, match="expected maps of 10 images"):
        store.maps()
    seen = []
    assert torch.equal(taken(store, seen=seen), MAPS.half())
    assert seen[:2] == [[0, 1], [4, 5]]


def test_what_a_killed_process_half_wrote_is_written_again(tmp_path, small_chunks):
    store = MapStore(tmp_path, ABOUT)
    store.append(MAPS[:4])
    with (tmp_path / "maps.bin").open("ab") as file:
        file.write(bytes(7))
    assert torch.equal(taken(MapStore(tmp_path, ABOUT)), MAPS.half())


def test_a_full_disk_half_way_keeps_what_is_there(tmp_path, monkeypatch, small_chunks):
    opened, calls = store_module._opened, []

    def full(path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path)

    monkeypatch.setattr(store_module, "_opened", full)
    with pytest.raises(StorageError, match=r"No space left.*4 of 10 images are stored, the same"):
        taken(MapStore(tmp_path, ABOUT))
    seen = []
    assert torch.equal(taken(MapStore(tmp_path, ABOUT), seen=seen), MAPS.half())
    assert seen[:2] == [[0, 1], [4, 5]]


def test_a_disk_that_will_not_hold_it_is_told_before_any_work(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": ABOUT.nbytes - 1})
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _path: usage)
    seen = []
    with pytest.raises(
        StorageError, match=r"expected 0.0 MB for the maps of 10 images, got 0.0 MB"
    ):
        taken(MapStore(tmp_path / "deep" / "store", ABOUT), seen=seen)
    assert seen == []
    assert not (tmp_path / "deep").exists()


def test_what_two_stores_lack_together_must_fit(tmp_path, monkeypatch):
    half = MapStore(tmp_path / "half", ABOUT)
    half.append(MAPS[:5])
    stores = [half, MapStore(tmp_path / "none", ABOUT)]
    needed = ABOUT.nbytes + 5 * ABOUT.row_bytes
    usage = type("Usage", (), {"free": needed})
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda _path: usage)
    check_space(stores)
    usage.free = needed - 1
    with pytest.raises(StorageError, match=r"half: expected 0.0 MB for the maps of 15 images"):
        check_space(stores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": "0" * 32}, "expected maps of weights 000000000000…, got w"),
        ({"data": "other"}, "expected maps of data other, got d"),
        ({"layer": "conv2"}, "expected maps of layer conv2, got conv1"),
        ({"stage": "after-activation"}, "expected maps of stage after-activation, got before"),
        ({"count": 11}, "expected maps of count 11, got 10"),
        ({"dtype": "float32"}, "expected maps of dtype float32, got float16"),
        ({"shape": (2, 4, 3)}, r"expected maps of shape \[2, 4, 3\], got \[2, 3, 4\]"),
    ],
)
def test_a_store_of_other_maps_is_refused_and_stays(tmp_path, change, message):
    taken(MapStore(tmp_path, ABOUT))
    with pytest.raises(InvalidValueError, match=message):
        MapStore(tmp_path, replace(ABOUT, **change))
    assert torch.equal(MapStore(tmp_path, ABOUT).maps(), MAPS.half())


def test_a_store_whose_values_are_gone_is_made_anew(tmp_path):
    taken(MapStore(tmp_path, ABOUT))
    (tmp_path / "maps.bin").unlink()
    assert MapStore(tmp_path, ABOUT).rows == 0
    assert torch.equal(taken(MapStore(tmp_path, ABOUT)), MAPS.half())


def test_files_that_do_not_fit_are_told(tmp_path):
    taken(MapStore(tmp_path, ABOUT))
    (tmp_path / "maps.bin").write_bytes(bytes(5))
    with pytest.raises(DamagedFileError, match="expected at least 480 bytes"):
        MapStore(tmp_path, ABOUT)
    head = json.loads((tmp_path / "maps.json").read_text())
    (tmp_path / "maps.json").write_text(json.dumps(head | {"rows": 99}))
    with pytest.raises(DamagedFileError, match=r"expected rows 0 … 10, got 99"):
        MapStore(tmp_path, ABOUT)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (MAPS * 1e6, "maps of conv1: expected finite values in float16"),
        (MAPS * float("nan"), "expected finite values in float16, got nan"),
        (MAPS[:, :1], r"maps: expected \(10 or fewer, "),
        (torch.cat([MAPS, MAPS]), r"maps: expected \(10 or fewer, "),
    ],
)
def test_what_it_cannot_hold_is_refused(tmp_path, maps, message):
    with pytest.raises(InvalidValueError, match=message):
        MapStore(tmp_path, ABOUT).append(maps)
    assert MapStore(tmp_path, ABOUT).rows == 0


def test_progress_and_size_are_told_beforehand(tmp_path, small_chunks):
    told = []
    extract(
        MapStore(tmp_path, ABOUT),
        lambda rows: MAPS[rows],
        batch_size=2,
        part="train",
        on_extract=told.append,
    )
    assert [each.done for each in told] == [0, 4, 8, 10]
    assert told[0].nbytes == 480 == Path(tmp_path / "maps.bin").stat().st_size
