"""What is wrong with a run is told in words, on every tab that reads it."""

import shutil
from types import SimpleNamespace

import pytest

from imprint.app import explore_tab, train_tab
from imprint.app.damage import told_as_damaged
from imprint.app.named_folders import NamedFolders
from imprint.app.sources import sources_of
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.runs import read_json, write_json


def fields(**given):
    return SimpleNamespace(**given)


@pytest.fixture
def damaged(place, tmp_path, monkeypatch):
    """Sources with runs of one's own to damage, and in place of Gradio what keeps its updates."""
    gradio = SimpleNamespace(skip=lambda: None, update=fields, Dropdown=fields)
    monkeypatch.setattr("imprint.app.extra.import_module", lambda _name: gradio)
    shutil.copytree(place / "runs", tmp_path / "runs")
    folders = NamedFolders(tmp_path / "runs", data=[place / "data"])
    return sources_of(folders, None, tmp_path / "cache")


@pytest.mark.parametrize(
    "read", [lambda own: own["a"], lambda own: own["b"] + 1, lambda own: own.c]
)
def test_what_is_not_there_or_of_another_kind_is_damage(read):
    expected = "first: expected a run as its command writes it"
    with pytest.raises(DamagedFileError, match=expected), told_as_damaged("first"):
        read({"b": None})


def test_what_says_itself_what_is_wrong_passes():
    with pytest.raises(InvalidValueError, match="said"), told_as_damaged("first"):
        raise InvalidValueError("said")


def without_epochs(result):
    return {key: value for key, value in result.items() if key != "epochs"}


def without_losses(result):
    return result | {"epochs": [row | {"train_loss": None} for row in result["epochs"]]}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("result.json", without_epochs),
        ("result.json", without_losses),
        ("config.json", lambda config: config | {"epochs": None}),
    ],
)
def test_train_tells_that_a_run_is_damaged(damaged, file, change):
    path = damaged.folders.runs / "first" / file
    write_json(path, change(read_json(path)))
    shown = train_tab._look(damaged, "first", train_tab._Seen())
    assert 'role="alert">first: expected a run as its command writes it' in shown[1]


def test_train_tells_that_a_sign_of_life_is_damaged(damaged, going):
    assert going.parent == damaged.folders.runs
    write_json(going / "progress.json", {})
    shown = train_tab._look(damaged, "going", train_tab._Seen())
    assert "going: expected a run as its command writes it" in shown[1]


def test_explore_tells_that_a_table_ends_within_a_row(damaged):
    table = damaged.folders.runs / "explored" / "samples.csv"
    table.write_text(table.read_text() + "test\n")
    shown = explore_tab._look(damaged, "explored")
    assert "samples.csv: expected a table of samples" in shown[1]


def test_a_run_that_is_there_is_not_chosen_anew_when_the_list_grows(damaged):
    field = train_tab._look(damaged, "second", train_tab._Seen())[0]
    assert not hasattr(field, "value")
    field = train_tab._look(damaged, "gone", train_tab._Seen())[0]
    assert field.value in {"first", "second"}
