import io
import shlex
import sys
from pathlib import Path

from rich.console import Console

from imprint.cli.terminal import bare_table, command_line, print_paths


def test_a_command_can_be_repeated_whatever_it_was_called_with(monkeypatch):
    called = ["train", "a folder", "it's", "--keep", "0.5", "$HOME", ""]
    monkeypatch.setattr(sys, "argv", ["/somewhere/imprint", *called])
    assert shlex.split(command_line()) == ["imprint", *called]


def test_paths_are_whole_however_long():
    text = io.StringIO()
    folder = Path("/runs") / ("[long]" * 30)
    print_paths(Console(file=text, width=40), folder, ("a", "b"))
    assert text.getvalue() == f"{folder}/a\n{folder}/b\n"


def test_a_table_has_no_lines_and_its_columns_lie_apart():
    text = io.StringIO()
    table = bare_table(gap=3)
    for name in ("x", "y"):
        table.add_column(name)
    table.add_row("1", "2")
    Console(file=text, width=40).print(table)
    assert [line.rstrip() for line in text.getvalue().splitlines()] == ["x   y", "1   2"]
