"""Which runs there are, and which of them are going on."""

import os
import shutil

import pytest

from imprint.app.named_folders import NamedFolders
from imprint.app.run_list import list_runs, state_of

from .conftest import foreign, old


@pytest.fixture
def runs(place, tmp_path):
    return NamedFolders(shutil.copytree(place / "runs", tmp_path / "runs"))


def test_runs_are_listed_the_newest_first_by_what_made_them(runs):
    for number, name in enumerate(("second", "first")):
        for file in ("config.json", "result.json"):
            old(runs.runs / name / file, 100 * (number + 1))
    assert [own.name for own in list_runs(runs, "train")] == ["second", "first"]
    assert [own.name for own in list_runs(runs, "explore")] == ["explored"]
    assert {own.state for own in list_runs(runs)} == {"done"}
    assert list_runs(runs, "train")[0].title == "second (conv4 on digits.npz)"


def test_a_run_that_goes_on_is_marked_until_it_falls_silent(going):
    assert state_of(going) == "running"
    folders = NamedFolders(going.parent)
    assert list_runs(folders)[0].title == "going (running, conv4 on digits.npz)"
    for name in ("progress.json", "config.json"):
        old(going / name, 90)
    assert state_of(going) == "silent"
    assert "unfinished" in list_runs(folders)[0].title


def test_what_cannot_be_read_or_leads_out_is_left_out(runs):
    (runs.runs / "damaged").mkdir()
    (runs.runs / "damaged" / "config.json").write_text("{")
    (runs.runs / "out").symlink_to(runs.runs.parent)
    (runs.runs / "a file").write_text("")
    assert {own.name for own in list_runs(runs)} == {"first", "second", "explored"}


def test_a_run_with_damaged_weights_is_listed_for_its_curves(runs):
    weights = runs.runs / "first" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert {own.name for own in list_runs(runs, "train")} == {"first", "second"}


def test_a_name_that_is_no_text_is_left_out_as_no_page_can_show_it(runs):
    folder = os.path.join(os.fsencode(runs.runs), b"caf\xe9")  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    shutil.copy(runs.runs / "first" / "config.json", folder + b"/config.json")
    assert {own.name for own in list_runs(runs, "train")} == {"first", "second"}


def test_a_folder_that_cannot_be_listed_has_no_runs(runs, monkeypatch):
    def fail(_path):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.iterdir", fail)
    assert list_runs(runs) == []


def test_a_run_of_the_users_own_code_is_listed_as_such(runs):
    foreign(runs.runs / "first", runs.runs / "mine", "mine.py:build")
    (own,) = (own for own in list_runs(runs) if own.name == "mine")
    assert own.code == "mine.py:build"
    assert "code of its own" in own.title
