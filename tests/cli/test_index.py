"""`imprint index` and `imprint search` as their users meet them."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imprint import Gallery


def test_a_folder_becomes_an_index_that_goes_on(imprint, album, tmp_path):
    arguments = [
        "index",
        album / "pictures",
        "--model",
        album / "run0",
        "--out",
        tmp_path / "album",
    ]
    code, out, err = imprint(*arguments)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == [
        "rows", "added", "replaced", "renewed", "unchanged", "broken", "seconds"
    ]  # fmt: skip
    assert out.splitlines()[1].split()[:6] == ["60", "60", "0", "0", "0", "0"]
    assert max(map(len, out.splitlines()[:2])) <= 80
    assert sorted(own.name for own in (tmp_path / "album").iterdir()) == [
        "config.json", "result.json", "signatures.lance"
    ]  # fmt: skip
    code, out, _ = imprint(*arguments, "--metadata", album / "years.csv", "--json")
    result = json.loads(out)
    assert result == json.loads((tmp_path / "album" / "result.json").read_text())
    assert (result["rows"], result["added"], result["renewed"]) == (60, 0, 60)
    config = json.loads((tmp_path / "album" / "config.json").read_text())
    assert config["command"] == "index"
    assert config["layer"] == "block2"


def test_rows_of_files_that_are_gone_are_dropped_when_asked(imprint, album, tmp_path):
    folder = tmp_path / "some"
    shutil.copytree(album / "pictures", folder)
    arguments = ["index", folder, "--model", album / "run0", "--out", tmp_path / "album"]
    assert imprint(*arguments)[0] == 0
    next((folder / "dark").iterdir()).unlink()
    result = json.loads(imprint(*arguments, "--json")[1])
    assert (result["rows"], result["unchanged"], result["pruned"]) == (60, 59, 0)
    code, out, _ = imprint(*arguments, "--prune")
    header, counts = (line.split() for line in out.splitlines()[:2])
    assert code == 0
    assert dict(zip(header, counts, strict=True)).items() >= {"rows": "59", "pruned": "1"}.items()
    assert max(map(len, out.splitlines()[:2])) <= 80


def test_what_is_broken_is_told_and_skipped(imprint, album, tmp_path):
    folder = tmp_path / "mixed"
    shutil.copytree(album / "pictures", folder)
    (folder / "dark" / "000.png").write_bytes(b"no image")
    (folder / "link.png").symlink_to(album / "years.csv")
    (tmp_path / "own.csv").write_text("id,x\ndark/002.png,1\n../gone.png,2\n")
    code, out, err = imprint(
        "index", folder, "--model", album / "run0", "--out", tmp_path / "album",
        "--metadata", tmp_path / "own.csv", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["broken"] == 2
    told = err.splitlines()
    assert (
        told[0] == "skipped: link.png: expected what lies within the folder, got a link out of it"
    )
    assert "skipped: dark/000.png: expected an image" in told[1]
    assert told[2] == "metadata: 1 row with an id that no image here has"


def test_sets_are_indexed_too(imprint, album, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 12), np.uint8)
    np.savez(tmp_path / "set.npz", x_train=images[:6], x_test=images[6:], y_train=[0, 1] * 3,
             y_test=[0, 1])  # fmt: skip
    files = sorted((album / "pictures").rglob("*.png"))[:9]
    encoded = [{"bytes": path.read_bytes()} for path in files]
    table = pa.table({"image": encoded, "label": [0, 1, 0] * 3})
    pq.write_table(table, tmp_path / "set.parquet")
    for name, count, first in (("set.npz", 8, "train/0"), ("set.parquet", 9, "set.parquet, row 0")):
        out = tmp_path / f"{name}.index"
        code, _, err = imprint(
            "index", tmp_path / name, "--model", album / "run0", "--out", out, "--json"
        )
        assert code == 0, err
        gallery = Gallery(out)
        assert len(gallery) == count
        ids = [own for some, _ in gallery._store.batches(10) for own in some]
        assert first in ids
        code, _, err = imprint("search", out, first, "--out", out / "found")
        assert code == 0, err
        page = (out / "found" / "report.html").read_text()
        assert page.count("<figure>") == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "data: expected a known name"),
        (["empty"], "data: expected a folder with images"),
        (["pictures", "--model", "nowhere"], "nowhere/config.json, found none"),
        (["pictures", "--layer", "no"], "layer: expected one of the model's"),
        (["pictures", "--out", "full"], "out: expected a new or empty folder"),
        (["pictures", "--out", "/proc/x"], "expected to be able to write here"),
        (["pictures", "--metadata", "no.csv"], "metadata: expected a file no.csv, found none"),
        (["pictures", "--batch-size", "0"], "batch_size: expected at least 1, got 0"),
        (["broken.png"], "data: expected at least one image that can be read, 1 cannot"),
        (["mnist"], "data: expected images (1, 12, 12)"),
    ],
)
def test_mistakes_are_one_line(imprint, album, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "pictures").symlink_to(album / "pictures")
    run = [] if "--model" in arguments else ["--model", album / "run0"]
    code, _, err = imprint("index", *arguments, *run)
    assert code == 2
    assert err.splitlines()[-1].startswith("imprint: error: ")
    assert message in err
    assert len(err.splitlines()) <= 2
