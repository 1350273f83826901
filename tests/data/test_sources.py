import io
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import imprint.data
from imprint.data import SOURCES, load, survey
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


def test_a_survey_lists_what_is_broken_and_draws_no_split(image_folder):
    folder = image_folder({"cat": [Image.new("L", (9, 8), 10 * k) for k in range(4)], "dog": []})
    (folder / "cat" / "001.png").write_bytes(b"no image")
    whole = (folder / "cat" / "002.png").read_bytes()
    (folder / "cat" / "002.png").write_bytes(whole[:-20])
    (part,) = survey(folder).values()
    assert part.paths == ("cat/000.png", "cat/003.png")
    assert part.images.images[:, 0, 0, 0].tolist() == [0, 30]
    assert [broken.path for broken in part.unreadable] == ["cat/001.png", "cat/002.png"]
    assert all(broken.label == 0 for broken in part.unreadable)
    assert part.images.class_names == ("cat", "dog")


def test_a_survey_tells_sizes_and_modes(image_folder):
    grey, colour = Image.new("L", (9, 8)), Image.new("RGB", (9, 8))
    folder = image_folder({"cat": [grey, colour, Image.new("RGBA", (4, 4))]})
    grey.save(folder / "cat" / "still.gif")
    grey.save(
        folder / "cat" / "moving.gif", save_all=True, append_images=[Image.new("L", (9, 8), 9)]
    )
    Image.fromarray(np.full((8, 9), 40_000, np.uint16)).save(folder / "cat" / "sixteen.png")
    (part,) = survey(folder).values()
    assert part.forms == {
        (8, 9, "L"): 1,
        (8, 9, "RGB"): 1,
        (4, 4, "RGBA"): 1,
        (8, 9, "P"): 1,
        (8, 9, "P, animated"): 1,
        (8, 9, "I;16"): 1,
    }
    assert part.images.images.shape[1] == 3
    assert part.images.images[part.paths.index("cat/sixteen.png")].max() == 40_000 >> 8


def test_a_survey_keeps_the_parts_that_there_are(image_folder):
    grey = [Image.new("L", (8, 8))] * 2
    folder = image_folder({"train/cat": grey, "train/dog": grey, "val/cat": grey, "val/fox": grey})
    parts = survey(folder)
    assert list(parts) == ["train", "test"]
    assert parts["test"].images.class_names == ("cat", "dog", "fox")
    assert parts["test"].paths[0] == "val/cat/000.png"


def test_a_survey_has_all_parts_of_a_folder(image_folder):
    grey = [Image.new("L", (8, 8))] * 2
    folder = image_folder(
        {f"{part}/{name}": grey for part in ("val", "train", "test") for name in "ab"}
    )
    assert list(survey(folder)) == ["train", "test", "val"]


def test_a_survey_of_parquet_skips_rows_without_an_image(tmp_path):
    Image.new("L", (8, 8), 7).save(buffer := io.BytesIO(), "png")
    rows = {"image": pa.array([None, buffer.getvalue(), b"x"]), "label": [0, 0, 0]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    (part,) = survey(tmp_path / "a.parquet").values()
    assert part.paths == ("a.parquet, row 1",)
    assert [broken.path for broken in part.unreadable] == ["a.parquet, row 0", "a.parquet, row 2"]


@pytest.mark.parametrize(
    "names",
    [("train-0", "test-0", "validation-0"), ("train/0", "test/0", "validation/0")],
    ids=["files", "folders"],
)
def test_a_survey_of_parquet_has_all_parts(tmp_path, names):
    Image.new("L", (8, 8), 7).save(buffer := io.BytesIO(), "png")
    for label, name in enumerate(names):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"image": [buffer.getvalue()] * 2, "label": [0, label]}), path)
    parts = survey(tmp_path)
    assert list(parts) == ["train", "test", "validation"]
    assert parts["validation"].paths[1] == f"{names[2]}.parquet, row 1"
    assert parts["validation"].images.labels.tolist() == [0, 2]  # a label that train lacks


def test_a_survey_of_arrays_stays_whole(tmp_path):
    images = np.arange(4, dtype=np.uint8).repeat(64).reshape(4, 8, 8)
    np.savez(tmp_path / "set.npz", x=images, y=[5, 5, 5, 5])
    (part,) = survey(tmp_path / "set.npz", image_size=4).values()
    assert part.images.images.shape == (4, 1, 4, 4)
    assert part.images.class_names == ("5",)


def test_a_survey_of_nothing_readable_is_refused(image_folder):
    folder = image_folder({"cat": []})
    (folder / "cat" / "a.png").write_bytes(b"")
    with pytest.raises(InvalidValueError, match="at least one that can be read, got none"):
        survey(folder)
