"""Nothing outside of the folders that were named is read."""

import pytest

from imprint.app.named_folders import NamedFolders
from imprint.data import KNOWN
from imprint.errors import InvalidValueError, MissingFileError


@pytest.fixture
def shelf(tmp_path):
    """Runs with names in several scripts, data, and things beside them."""
    for name in ("first", "zweiter Lauf", "第三", "рун.4", "-o"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text("{}")
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    (tmp_path / "data" / "in").mkdir(parents=True)
    (tmp_path / "data" / "in" / "a.wav").write_bytes(b"a")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    return tmp_path


def named(shelf, **more):
    return NamedFolders(shelf / "runs", data=[shelf / "data"], **more)


@pytest.mark.parametrize("name", ["first", "zweiter Lauf", "第三", "рун.4", "-o"])
def test_runs_are_found_whatever_script_they_are_named_in(shelf, name):
    assert named(shelf).run(name) == shelf / "runs" / name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../other", "first/../../other", "/etc", "first/", "a\0b", "./first"]
)
def test_a_name_that_is_no_folders_name_is_refused(shelf, name):
    with pytest.raises(InvalidValueError, match="expected a folder in"):
        named(shelf).run(name)


@pytest.mark.parametrize("name", ["empty", "nothing"])
def test_what_is_no_run_is_told_so(shelf, name):
    with pytest.raises(MissingFileError):
        named(shelf).run(name)


def test_a_run_that_is_a_link_out_of_the_folder_is_refused(shelf):
    (shelf / "runs" / "link").symlink_to(shelf / "other")
    with pytest.raises(InvalidValueError, match="leads out"):
        named(shelf).run("link")


def test_a_run_with_a_link_out_of_the_folder_is_refused_whole(shelf):
    (shelf / "runs" / "first" / "result.json").symlink_to(shelf / "other" / "config.json")
    with pytest.raises(InvalidValueError, match="leads out"):
        named(shelf).run("first")


def test_a_link_within_the_folder_is_followed(shelf):
    (shelf / "runs" / "again").symlink_to(shelf / "runs" / "first")
    assert named(shelf).run("again").name == "again"


def test_data_are_read_where_they_were_named(shelf):
    own = named(shelf)
    assert own.file(shelf / "data" / "in" / "a.wav").name == "a.wav"
    assert own.source("in") == str((shelf / "data" / "in").resolve())
    assert own.source("mnist") == "mnist"


@pytest.mark.parametrize("path", ["secret.wav", "data/../secret.wav", "data/link.wav", "data/up"])
def test_data_elsewhere_are_not(shelf, path):
    (shelf / "data" / "link.wav").symlink_to(shelf / "secret.wav")
    (shelf / "data" / "up").symlink_to(shelf)
    with pytest.raises(InvalidValueError, match="within the folders named by --data"):
        named(shelf).file(shelf / path)


@pytest.mark.parametrize("path", ["data/none.wav", "data/circle", "a\0b"])
def test_data_that_are_not_there_are_told_so(shelf, path):
    (shelf / "data" / "circle").symlink_to(shelf / "data" / "circle")
    with pytest.raises(MissingFileError):
        named(shelf).file(f"{shelf}/{path}")


def test_no_known_set_is_downloaded(shelf, monkeypatch):
    monkeypatch.delenv("IMPRINT_DATA", raising=False)
    monkeypatch.setenv("IMPRINT_CACHE", str(shelf / "cache"))
    assert "cifar10" in KNOWN
    with pytest.raises(MissingFileError, match="on this machine"):
        NamedFolders(shelf / "runs").source("cifar10")


def test_a_run_is_named_by_its_path_only_where_it_lies_among_the_runs(shelf):
    own = named(shelf)
    assert own.run_at(shelf / "other" / ".." / "runs" / "first") == "first"
    with pytest.raises(InvalidValueError, match="expected one within"):
        own.run_at(shelf / "other")


def test_only_runs_that_were_named_may_run_their_own_code(shelf):
    own = named(shelf, trusted=[shelf / "runs" / "first"])
    assert own.may_run(shelf / "runs" / "first")
    assert not own.may_run(shelf / "runs" / "第三")


def test_a_file_is_no_folder_of_runs(shelf):
    with pytest.raises(InvalidValueError, match=r"runs: expected a folder, got .*secret\.wav"):
        NamedFolders(shelf / "secret.wav")


@pytest.mark.parametrize("option", ["data", "trusted"])
def test_a_named_folder_must_be_there(shelf, option):
    with pytest.raises(MissingFileError, match="expected a folder"):
        NamedFolders(shelf / "runs", **{option: [shelf / "nothing"]})
