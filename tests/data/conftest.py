"""Small data sets on disk for the data package's tests."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imprint.data.idx import IDX_FILES
from imprint.types import ImageSet


@pytest.fixture(autouse=True)
def _untouched_randomness():
    """No test of this package may move a global random state."""
    before, before_numpy = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), before)
    after_numpy = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before_numpy, after_numpy, strict=True))


@pytest.fixture
def at_home(monkeypatch, tmp_path) -> Path:
    """A machine with no data: empty cache and system folder, no IMPRINT_DATA."""
    monkeypatch.delenv("IMPRINT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("imprint.data.places.SYSTEM", tmp_path / "system")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


@pytest.fixture
def image_folder(tmp_path) -> Callable[..., Path]:
    """Make a folder of class folders: names to lists of images."""

    def make(classes: dict[str, list[Image.Image]], path: Path = tmp_path / "images") -> Path:
        for name, images in classes.items():
            (path / name).mkdir(parents=True, exist_ok=True)
            for number, image in enumerate(images):
                image.save(path / name / f"{number:03}.png")
        return path

    return make


def write_tone(
    path: Path, *, seconds: float = 1.0, tone: float = 440.0, rate: int = 16_000
) -> Path:
    """Write a tone as a file of audio, in the format that its suffix says."""
    import soundfile

    time = np.arange(round(seconds * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), 0.5 * np.sin(2 * np.pi * tone * time), rate, **_form(path))
    return path


def _form(path: Path) -> dict[str, str]:
    opus = path.suffix == ".opus"
    return {"format": "OGG", "subtype": "OPUS"} if opus else {"format": path.suffix[1:]}


@pytest.fixture
def tone_folder(tmp_path) -> Path:
    """Two classes of four tones of two seconds each."""
    for number in range(4):
        write_tone(tmp_path / "tones/low" / f"{number}.wav", tone=200 + 20 * number, seconds=2)
        write_tone(tmp_path / "tones/high" / f"{number}.flac", tone=900 + 90 * number, seconds=2)
    return tmp_path / "tones"


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_folder(folder: Path, *, seed: int = 0, packed: bool = True) -> dict[str, bytes]:
    """Write four small idx files; their raw bytes by name."""
    draw = np.random.default_rng(seed)
    arrays = [
        draw.integers(0, 256, (12, 5, 4)),
        np.arange(12) % 3,
        draw.integers(0, 256, (6, 5, 4)),
        np.arange(6) % 3,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    raw = {name: idx_bytes(array) for name, array in zip(IDX_FILES, arrays, strict=True)}
    for name, content in raw.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return raw


def small_set(count: int = 23, *, channels: int = 1, side: int = 8) -> ImageSet:
    """Images of which each is its own, so that a batch tells which rows it holds."""
    draw = torch.Generator().manual_seed(3)
    images = torch.randint(256, (count, channels, side, side), generator=draw, dtype=torch.uint8)
    return ImageSet(images, torch.arange(count) % 3, ("a", "b", "c"))


def given_data(name: str) -> Path:
    """The folder of a set below IMPRINT_DATA; skips the test where it is not there."""
    named = os.environ.get("IMPRINT_DATA")
    if not named or not (Path(named) / name).is_dir():
        pytest.skip(f"IMPRINT_DATA names no folder that holds {name}/")
    return Path(named) / name
