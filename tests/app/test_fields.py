"""What fields hold and say."""

import pytest

from imprint.app.fields import shortened, telling
from imprint.app.named_folders import NamedFolders
from imprint.app.pictures import answer_bars
from imprint.app.run_list import list_runs
from imprint.app.subject import numbered, subject_of
from imprint.errors import ImprintError
from imprint.runs import write_json


def test_an_error_does_not_say_where_uploads_lie(monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/tmp/imprint-app-x")
    for text, told in (
        ("/tmp/imprint-app-x/0ab/my song.wav: no sound", "my song.wav: no sound"),
        ("expected '/tmp/imprint-app-x/0ab/a.png', got none", "expected 'a.png', got none"),
        ("image (/tmp/imprint-app-x/played/a.wav)", "image (a.wav)"),
        ("/tmp/other/a.wav", "/tmp/other/a.wav"),
    ):
        assert shortened(text) == told
    assert len(shortened("a" * 500)) == 401


@pytest.mark.parametrize("odd", ["caf\udce9", "a\ud800"])
def test_a_page_has_only_text(odd, runs_of):
    """Gradio's answers could not be sent otherwise, and the page would stand still."""
    for part in (telling(lambda: f"<b>{odd}</b>"), shortened(odd), telling(fail_with, odd)):
        assert part.encode()
    for number, config in enumerate(({"data": f"/data/{odd}"}, {"command": odd})):
        (run,) = list_runs(runs_of(str(number), {"command": "train", **config}))
        assert run.title.encode()


def fail_with(text):
    raise ImprintError(text)


@pytest.fixture
def runs_of(tmp_path):
    """A folder of runs with one run in it."""

    def made(name, config):
        folder = tmp_path / name / "first"
        folder.mkdir(parents=True)
        write_json(folder / "config.json", config)
        return NamedFolders(folder.parent)

    return made


def test_an_empty_number_is_nothing_yet():
    assert numbered(None) is None
    assert numbered("/etc/passwd") is None
    assert subject_of(10**400) == 10**400


def test_a_name_that_is_cut_can_be_read_whole():
    assert 'title="a &lt;b&gt;">' in answer_bars("A", [("a <b>", 0.5)])
