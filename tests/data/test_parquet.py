import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import imprint.data
from imprint.data import parquet
from imprint.data.columns import find_columns
from imprint.data.parquet import read_parquet
from imprint.data.source import ReadOptions
from imprint.errors import DamagedFileError, InvalidValueError


def png(level):
    buffer = io.BytesIO()
    Image.new("L", (5, 4), level).save(buffer, "png")
    return buffer.getvalue()


def table(levels, labels, *, image="img", label="label", names=None, plain=False):
    data = [None if level is None else png(level) for level in levels]
    column = (
        pa.array(data, pa.binary())
        if plain
        else pa.array(
            [{"bytes": one, "path": None} for one in data],
            pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        )
    )
    made = pa.table({"id": [0.5] * len(levels), image: column, label: labels})
    if names is None:
        return made
    features = {label: {"names": names, "_type": "ClassLabel"}, image: {"_type": "Image"}}
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


@pytest.fixture
def write(tmp_path):
    def _write(name, *args, **settings):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table(*args, **settings), path)
        return path

    return _write


def levels(image_set):
    return image_set.images[:, 0, 0, 0].tolist()


def test_a_folder_in_the_layout_of_the_hub(write, tmp_path):
    write("data/train-00000-of-00002.parquet", [1, 2], [0, 2], names=["x", "y", "z"])
    write("data/train-00001-of-00002.parquet", [3], [1], names=["x", "y", "z"])
    write("data/test-00000-of-00001.parquet", [4], [2], names=["x", "y", "z"])
    write("data/validation-00000-of-00001.parquet", [9], [0], names=["x", "y", "z"])
    splits = imprint.data.load(tmp_path / "set")
    assert (levels(splits.train), levels(splits.test)) == ([1, 2, 3], [4])
    assert splits.train.labels.tolist() == [0, 2, 1]
    assert splits.test.class_names == ("x", "y", "z")
    assert splits.train.images.shape == (3, 1, 4, 5)


def test_validation_serves_where_there_is_no_test(write, tmp_path):
    write("train.parquet", [1, 2], ["a", "b"])
    write("validation.parquet", [3], ["b"])
    splits = read_parquet(tmp_path / "set")
    assert (levels(splits.test), splits.test.labels.tolist()) == ([3], [1])


@pytest.mark.parametrize("single", [True, False])
def test_without_splits_all_rows_are_split(write, tmp_path, monkeypatch, single):
    monkeypatch.setattr(parquet, "AT_ONCE", 7)  # so that batches end within and between files
    if single:
        path = write("part.parquet", range(40), [row % 2 for row in range(40)])
    else:
        write("part-0.parquet", range(25), [row % 2 for row in range(25)])
        write("part-1.parquet", range(25, 40), [row % 2 for row in range(25, 40)])
        path = tmp_path / "set"
    splits = read_parquet(path, ReadOptions(test_share=0.25, seed=1))
    assert len(splits.test) == 10
    assert sorted(levels(splits.train) + levels(splits.test)) == list(range(40))
    for part in (splits.train, splits.test):
        assert [level % 2 for level in levels(part)] == part.labels.tolist()


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({"image": "image", "label": "labels"}, ("image", "labels")),
        ({"image": "photo", "label": "fine_label"}, ("photo", "fine_label")),
        ({"image": "photo", "label": "digit", "plain": True}, ("photo", "digit")),
    ],
)
def test_columns_are_found_by_name_or_as_the_only_one(write, settings, columns):
    path = write("a.parquet", [1, 2, 3, 4], [0, 0, 1, 1], **settings)
    assert find_columns(path)[:2] == columns
    assert read_parquet(path).num_classes == 2


def test_several_columns_that_would_do_are_refused(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"], "image": [b"."]}), tmp_path / "x.parquet")
    with pytest.raises(InvalidValueError, match=r"one column of labels.*got 2 in a: int64, b: str"):
        find_columns(tmp_path / "x.parquet")
    pq.write_table(pa.table({"label": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InvalidValueError, match=r"one column of images.*got 0 in label: int64"):
        find_columns(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        ([1, 2, None, 4], [0, 1, 0, 1], r"row 2: expected the bytes of an image, got null"),
        ([1, 2, 3, 4], [0, None, 0, 1], r"row 1: expected a label, got null"),
        ([1, 2, 3, 4], [0, 1, 2, 1], r"row 2: expected a label in 0 … 1, .*got 2"),
        ([1, 2, 3, 4], [0, 1, 0, -1], r"row 3: expected a label in 0 … 1, .*got -1"),
        ([1, 2, 3, 4], [1, 1, 1, 1], r"at least two classes"),
    ],
)
def test_bad_rows_are_told_by_their_number(write, images, labels, said):
    path = write("a.parquet", images, pa.array(labels, pa.int64()), names=["x", "y"])
    with pytest.raises(InvalidValueError, match=said):
        read_parquet(path)


def test_a_null_struct_is_a_missing_image(tmp_path):
    column = pa.array([{"bytes": png(1)}, None, {"bytes": png(1)}, {"bytes": png(1)}])
    pq.write_table(pa.table({"img": column, "label": [0, 0, 1, 1]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidValueError, match=r"a\.parquet, row 1: .*got null"):
        read_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize("keep", [0, 3, 200, -30])
def test_a_truncated_file_is_damage(write, keep):
    path = write("a.parquet", [1, 2, 3, 4], [0, 0, 1, 1])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        DamagedFileError,
        match=rf"a\.parquet: expected a parquet file, got {path.stat().st_size} bytes",
    ):
        read_parquet(path)


def test_damage_within_a_column_is_damage(write):
    path = write("a.parquet", range(200), [0, 1] * 100)
    content = bytearray(path.read_bytes())
    content[300:2000] = bytes(1700)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"a\.parquet"):
        read_parquet(path)


def test_an_image_that_is_none_is_told_by_its_row(tmp_path):
    made = pa.table({"img": [png(1), b"what?", png(1), png(1)], "label": [0, 0, 1, 1]})
    pq.write_table(made, tmp_path / "a.parquet")
    with pytest.raises(
        DamagedFileError, match=r"a\.parquet, row 1: expected an image, got 5 bytes"
    ):
        read_parquet(tmp_path / "a.parquet")


def test_an_empty_file_is_refused(write):
    with pytest.raises(InvalidValueError, match="two classes"):
        read_parquet(write("a.parquet", [], pa.array([], pa.int64())))
