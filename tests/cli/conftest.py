"""A command as its users run it, within the test's own process."""

import sys

import pytest

from imprint.cli import main


@pytest.fixture
def imprint(monkeypatch, capsys, tmp_path):
    """Run the command in this process; gives the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["imprint", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        caught = capsys.readouterr()
        return code, caught.out, caught.err

    return run
