"""A command as its users run it, within the test's own process."""

import sys

import numpy as np
import pytest
from PIL import Image

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


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    """Pictures of two classes, with a table of their years, and two runs on them."""
    from imprint.data import load
    from imprint.training import TrainSettings, train

    folder = tmp_path_factory.mktemp("index")
    draw = np.random.default_rng(0)
    lines = ["id,year,collection"]
    for number in range(60):
        name = ("dark", "light")[number % 2]
        pixels = draw.integers(0, 100, (12, 12)) + 130 * (number % 2)
        path = folder / "pictures" / name / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        lines.append(f"{name}/{number:03}.png,{1900 + number},{'ab'[number % 3 == 0]}")
    (folder / "years.csv").write_text("\n".join(lines))
    for seed in (0, 1):
        settings = TrainSettings(epochs=1, batch_size=16, device="cpu", lr=0.02, seed=seed)
        train(load(folder / "pictures"), settings, out=folder / f"run{seed}")
    return folder


@pytest.fixture
def indexed(imprint, album, tmp_path):
    """An index of the pictures."""
    code, _, err = imprint(
        "index", album / "pictures", "--model", album / "run0", "--layer", "block1",
        "--metadata", album / "years.csv", "--out", tmp_path / "album",
    )  # fmt: skip
    assert code == 0, err
    return tmp_path / "album"
