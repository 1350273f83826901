"""What fields hold and say."""

from imprint.app.fields import shortened
from imprint.app.pictures import answer_bars
from imprint.app.subject import numbered, subject_of


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


def test_an_empty_number_is_nothing_yet():
    assert numbered(None) is None
    assert numbered("/etc/passwd") is None
    assert subject_of(10**400) == 10**400


def test_a_name_that_is_cut_can_be_read_whole():
    assert 'title="a &lt;b&gt;">' in answer_bars("A", [("a <b>", 0.5)])
