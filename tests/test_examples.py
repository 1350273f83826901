"""Each example runs as its first lines say, and says something that holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PROGRAMS = {
    "python": [],
    "imprint": ["-m", "imprint.cli"],
    "torchrun": ["-m", "torch.distributed.run", "--standalone"],  # on a port that is free
}

NEEDS = {"huggingface_callback": ("transformers", "accelerate")}
"""Packages of an extra that an example cannot do without."""


def commands(path):
    """The commands that an example's docstring shows."""
    lines = path.read_text().partition('"""')[2].partition('"""')[0].splitlines()
    return [line for line in lines if line.startswith(tuple(f"{name} " for name in PROGRAMS))]


def test_each_example_says_how_to_run_it():
    assert [path.name for path in EXAMPLES if not commands(path)] == []


@pytest.mark.parametrize("command", [line for path in EXAMPLES for line in commands(path)])
def test_an_example_runs_as_it_says(command, tmp_path):
    for package in NEEDS.get(Path(command.split()[-1]).stem, ()):
        pytest.importorskip(package, reason="the extra huggingface is not installed")
    program, *arguments = command.split()
    run = [sys.executable, *PROGRAMS[program]]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        [*run, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    accuracies = [float(number) for number in re.findall(r"([\d.]+)%", done.stdout)]
    assert max(accuracies) > 90
