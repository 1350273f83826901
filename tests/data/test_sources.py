import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import imprint.data
from imprint.data import SOURCES, load
from imprint.data.idx import IDX_FILES
from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError, StorageError

from .conftest import write_idx_folder


def test_an_unknown_name_gets_the_known_ones_and_a_guess():
    with pytest.raises(MissingFileError) as caught:
        load("fashion_mnist")
    said = str(caught.value)
    assert "a known name (mnist, fashion-mnist, cifar10)" in said
    assert all(source.form in said for source in SOURCES)
    assert said.endswith("did you mean fashion-mnist?")


def test_a_far_name_gets_no_guess(at_home):
    with pytest.raises(MissingFileError, match=r"no path here$"):
        load(str(at_home / "absent"))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "images.zip").touch()
    with pytest.raises(InvalidValueError, match=r"expected a known name.*got .*images\.zip"):
        load(tmp_path / "images.zip")


def test_a_path_below_imprint_data_is_found(at_home, monkeypatch):
    write_idx_folder(at_home / "mine" / "kuzushiji")
    monkeypatch.setenv("IMPRINT_DATA", str(at_home / "mine"))
    assert len(load("kuzushiji").test) == 6
    with pytest.raises(MissingFileError, match=r"no path here or in IMPRINT_DATA"):
        load("katakana")


def test_a_name_goes_before_a_path_unless_it_is_written_as_one(tmp_path, monkeypatch):
    write_idx_folder(tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    assert len(load("mnist").test) == 10_000
    assert len(load("./mnist").test) == 6


def test_every_source_can_be_resized(tmp_path):
    splits = load("mnist", image_size=14)
    assert splits.train.images.shape == (60_000, 1, 14, 14)
    image = Image.fromarray(load("mnist").test.images[5, 0].numpy())
    expected = np.asarray(image.resize((14, 14), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(splits.test.images[5, 0].numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    "setting", [{"test_share": 0.0}, {"test_share": 1.0}, {"seed": -1}, {"image_size": 0}]
)
def test_settings_out_of_range_are_refused(setting):
    (name,) = setting
    with pytest.raises(InvalidValueError, match=f"{name}: expected"):
        load("mnist", **setting)


def test_the_public_names():
    assert all(hasattr(imprint.data, name) for name in imprint.data.__all__)


def test_importing_the_package_is_light():
    heavy = ("PIL", "pyarrow", "pooch", "rich", "requests", "kornia", "lightning")
    code = f"import imprint.data, sys; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_images_hold_no_more_memory_than_their_bytes():
    assert load("mnist").train.images.untyped_storage().nbytes() == 60_000 * 28 * 28


@pytest.mark.parametrize("kind", ["npz", "idx", "folder", "parquet"])
def test_what_may_not_be_read_is_damage_in_one_line(tmp_path, monkeypatch, kind):
    """Root may read everything, so that the refusal is played."""
    path = tmp_path / ("a.npz" if kind == "npz" else "a.parquet" if kind == "parquet" else "a")
    if kind in {"npz", "parquet"}:
        path.write_bytes(b"PK")
    else:
        path.mkdir()
    for name in IDX_FILES if kind == "idx" else ():
        (path / name).write_bytes(b"\0\0\x08\1")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    if kind == "folder":
        monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
    with pytest.raises(DamagedFileError, match=f"{path}.*: expected"):
        load(path)


def test_images_beyond_the_memory_are_told(tmp_path):
    pixels = np.zeros((40, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.arange(40) % 2)
    with pytest.raises(StorageError, match=r"a\.npz: expected images that fit the memory"):
        load(tmp_path / "a.npz", image_size=10_000_000)
