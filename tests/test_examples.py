"""Each example runs as its first lines say, and says something that holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

NEEDS = {"huggingface_callback": ("transformers", "accelerate")}
"""Packages of an extra that an example cannot do without."""


def commands(path):
    """The commands that an example's docstring shows."""
    lines = path.read_text().partition('"""')[2].partition('"""')[0].splitlines()
    return [line for line in lines if line.startswith(("python ", "imprint "))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_as_it_says(path, tmp_path):
    for package in NEEDS.get(path.stem, ()):
        pytest.importorskip(package, reason="the extra huggingface is not installed")
    (command,) = commands(path)
    program, *arguments = command.split()
    run = {"python": [sys.executable], "imprint": [sys.executable, "-m", "imprint.cli"]}[program]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        [*run, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    accuracies = [float(number) for number in re.findall(r"([\d.]+)%", done.stdout)]
    assert max(accuracies) > 90
