import json
import os
import sys
from pathlib import Path

import pytest
import torch

from imprint.errors import DamagedFileError, MissingFileError, RunExistsError, StorageError
from imprint.runs import (
    check_vacant,
    claim,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
    write_text,
)


def test_a_folder_is_claimed_once(tmp_path):
    folder = claim(tmp_path / "a" / "b")
    claim(folder)
    write_text(folder / "x", "y")
    with pytest.raises(RunExistsError, match="holds other files"):
        claim(folder)
    with pytest.raises(RunExistsError):
        check_vacant(folder / "x")


def test_no_place_below_a_file(tmp_path):
    write_text(tmp_path / "file", "")
    with pytest.raises(StorageError, match="file"):
        check_vacant(tmp_path / "file" / "run")
    with pytest.raises(StorageError):
        claim(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "write",
    [
        lambda p: write_text(p, "new"),
        lambda p: write_json(p, {}),
        lambda p: write_tensors(p, {}, {}),
    ],
)
def test_a_failed_write_keeps_what_was_there_and_leaves_nothing(tmp_path, monkeypatch, write):
    path = write_text(tmp_path / "result", "old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_tensors_come_back_to_the_bit(tmp_path):
    tensors = {
        "a/b": torch.rand(3, 2),
        "c": torch.tensor(7),
        "view": torch.arange(6).view(2, 3).T,
        "empty": torch.zeros(0, 4),
    }
    tensors["alias"] = tensors["c"]
    back, note = read_tensors(write_tensors(tmp_path / "t", tensors, {"x": [1, None]}))
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items())
    assert note == {"x": [1, None]}


def test_json_has_no_nan(tmp_path):
    path = write_json(
        tmp_path / "r.json", {"a": [float("inf"), {"b": float("nan")}], "c": (1.5, None, True)}
    )
    assert json.loads(path.read_text()) == {"a": [None, {"b": None}], "c": [1.5, None, True]}


def test_damaged_and_missing_files_say_so(tmp_path):
    path = write_tensors(tmp_path / "t", {"a": torch.rand(100)}, {})
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DamagedFileError, match="safetensors"):
        read_tensors(path)
    with pytest.raises(DamagedFileError, match="JSON"):
        read_json(write_text(tmp_path / "r.json", "{"))
    with pytest.raises(MissingFileError):
        read_json(tmp_path / "none.json")
    with pytest.raises(MissingFileError):
        read_tensors(tmp_path / "none")


def test_what_is_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "config.json", {"command": "train"})
    for name, said in (("file", "is a file"), ("other", "holds other files"), ("run", "--resume")):
        with pytest.raises(RunExistsError, match=said):
            check_vacant(tmp_path / name)


def test_json_that_is_no_object_is_damage(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(DamagedFileError, match="expected an object, got list"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('{"command": "train"}', "holds another run; choose another, or continue its train with"),
        ('{"command": "explore"}', "holds another run; choose another$"),
        ("{", "holds another run; choose another$"),
    ],
)
def test_a_folder_of_another_run_is_told_by_what_it_can_be_used_for(tmp_path, config, told):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(RunExistsError, match=told):
        check_vacant(tmp_path)


def test_a_note_that_is_no_json_is_told(tmp_path):
    from safetensors.torch import save

    path = tmp_path / "exits.safetensors"
    path.write_bytes(save({"x": torch.ones(1)}, {"note": "{"}))
    with pytest.raises(DamagedFileError, match="expected a safetensors file"):
        read_tensors(path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_place_that_takes_no_files_is_told_though_it_has_the_rights():
    with pytest.raises(StorageError, match="expected to be able to write here"):
        check_vacant(Path("/proc/imprint"))
