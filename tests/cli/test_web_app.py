"""`imprint app` on a user's mistakes; what it shows is in tests/app."""

import socket

import pytest

from imprint.app import extra
from imprint.errors import MissingExtraError


@pytest.fixture
def failed(imprint):
    """Run the command to its error; the one line."""

    def run(*arguments):
        code, out, err = imprint("app", *arguments)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        return err

    return run


def test_others_are_let_in_with_a_password_only(failed, monkeypatch):
    monkeypatch.delenv("IMPRINT_PASSWORD", raising=False)
    line = failed("--host", "0.0.0.0")
    assert "expected 127.0.0.1 or a password for 0.0.0.0" in line
    assert "--password-file" in line
    assert "IMPRINT_PASSWORD" in line


def test_a_password_on_the_command_line_is_no_option(failed):
    assert "No such option" in failed("--password", "open sesame")


def test_a_short_password_is_refused(failed, tmp_path):
    (tmp_path / "word").write_text("short")
    line = failed("--password-file", tmp_path / "word")
    assert "at least 8 characters" in line
    assert "short" not in line.replace(str(tmp_path), "")


def test_a_port_that_is_taken_is_told(failed):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = failed("--port", taken.getsockname()[1])
    assert "Address already in use" in line
    assert "--port 0 takes a free one" in line


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--data", "nothing"), "data: expected a folder nothing, found none"),
        (("--model", "nothing"), "model: expected a folder nothing, found none"),
        (("--runs", __file__), "runs: expected a folder, got"),
        (("--largest-upload", 0), "largest_upload: expected 1 … 10,000, got 0"),
        (("--port", 70_000), "port: expected 0 … 65535, got 70000"),
        (("--host", "no.such.host.invalid"), "host: expected"),
    ],
)
def test_a_mistake_is_one_line(failed, arguments, text):
    assert text in failed(*arguments)


def test_an_extra_that_is_not_installed_is_named(failed, monkeypatch):
    def missing(_cache=None):
        raise MissingExtraError("gradio: expected it to be installed; pip install 'imprint[app]'")

    monkeypatch.setattr("imprint.app.server.gradio", missing)
    assert "imprint[app]" in failed("--port", 0)


def test_the_extra_says_how_to_install_it(monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(extra, "import_module", fail)
    with pytest.raises(MissingExtraError, match=r"pip install 'imprint\[app\]'"):
        extra.gradio()
