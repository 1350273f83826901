"""`imprint search` as its users meet it."""

import json
import os
import shutil

import pytest
import torch

from imprint import Gallery
from imprint.runs import read_json, read_tensors, write_tensors


def test_a_result_is_a_line(imprint, indexed):
    code, out, err = imprint("search", indexed, "dark/004.png", "-k", 7, "--json")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["rank"] for row in rows] == list(range(1, 8))
    assert list(rows[0]) == [
        "query", "rank", "id", "path", "similarity", "label", "year", "collection"
    ]  # fmt: skip
    assert {row["label"] for row in rows} == {"dark"}
    assert all(os.path.isfile(row["path"]) for row in rows)  # noqa: PTH113
    assert [row["similarity"] for row in rows] == sorted(
        (row["similarity"] for row in rows), reverse=True
    )
    assert all(row["year"] == 1900 + int(row["id"][-7:-4]) for row in rows)


def test_a_file_an_id_and_a_filter(imprint, album, indexed, tmp_path):
    shutil.copy(album / "pictures" / "light" / "007.png", tmp_path / "own.png")
    code, out, err = imprint(
        "search", indexed, tmp_path / "own.png", "light/009.png", "-k", 3,
        "--where", "collection = 'b' AND year < 1950", "--json",
    )  # fmt: skip
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["query"] for row in rows] == [str(tmp_path / "own.png")] * 3 + ["light/009.png"] * 3
    assert all(row["collection"] == "b" and row["year"] < 1950 for row in rows)
    code, out, _ = imprint("search", indexed, tmp_path / "own.png", "-k", 1, "--json")
    assert json.loads(out)["id"] == "light/007.png"
    assert json.loads(out)["similarity"] == pytest.approx(1, abs=1e-5)
    code, out, _ = imprint("search", indexed, "light/009.png", "-k", 3)
    assert out.splitlines()[0].split() == ["similarity", "id", "label"]
    assert len(out.splitlines()) == 4
    assert max(map(len, out.splitlines())) <= 80


def test_local_scaling_ranks_anew_and_says_so(imprint, indexed, tmp_path):
    plain, scaled = (
        [json.loads(line) for line in imprint("search", indexed, "dark/004.png", "-k", 200,
                                              "--json", *option)[1].splitlines()]
        for option in ((), ("--local-scaling",))
    )  # fmt: skip
    kept = {row["id"]: row["similarity"] for row in plain}
    assert {row["id"]: row["similarity"] for row in scaled} == pytest.approx(kept)
    assert [row["id"] for row in scaled] != [row["id"] for row in plain]
    out = tmp_path / "found"
    code, _, err = imprint("search", indexed, "dark/004.png", "--local-scaling", "--out", out)
    assert code == 0, err
    assert read_json(out / "result.json")["local_scaling"] is True
    assert read_json(out / "config.json")["local_scaling"] is True


def test_a_file_may_have_any_name(imprint, album, indexed, tmp_path):
    for name in (b"\xff.png", "音'楽.png".encode()):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        shutil.copy(album / "pictures" / "light" / "007.png", path)
        code, out, err = imprint("search", indexed, path, "-k", 1, "--json")
        assert code == 0, err
        assert json.loads(out)["id"] == "light/007.png"
        code, _, err = imprint("search", indexed, path, "-k", 1, "--out", tmp_path / name.hex())
        assert code == 0, err


def test_code_that_an_index_names_does_not_run_by_itself(imprint, album, indexed, tmp_path):
    (tmp_path / "own.py").write_text("raise SystemExit('it ran')")
    path, picture = album / "run0" / "model.safetensors", album / "pictures" / "light" / "007.png"
    tensors, note = read_tensors(path)  # by the weights' own note a network is built
    write_tensors(path, tensors, note | {"model": f"{tmp_path / 'own.py'}:build"})
    try:
        code, _, err = imprint("search", indexed, picture, "-k", 1)
    finally:
        write_tensors(path, tensors, note)
    assert code == 2
    assert f"model: expected --model {album / 'run0'}" in err
    code, _, err = imprint("search", indexed, picture, "-k", 1)
    assert code == 0, err


def test_near_duplicates_are_listed(imprint, album, tmp_path):
    shutil.copytree(album / "pictures", tmp_path / "two")
    for number in (10, 12):
        copy = tmp_path / "two" / "dark" / f"copy-{number}.png"
        shutil.copy(album / "pictures" / "dark" / f"{number:03}.png", copy)
    imprint("index", tmp_path / "two", "--model", album / "run0", "--out", tmp_path / "album")
    code, out, _ = imprint("search", tmp_path / "album", "--duplicates", 0.9999999, "--json")
    assert code == 0
    assert [json.loads(line)["first"] for line in out.splitlines()][:2] == [
        "dark/010.png", "dark/012.png"
    ]  # fmt: skip
    code, out, _ = imprint(
        "search", tmp_path / "album", "--duplicates", 0.9999999, "--out", tmp_path / "found"
    )
    assert out.splitlines()[0].split() == ["similarity", "first", "second"]
    page = (tmp_path / "found" / "report.html").read_text()
    assert "dark/010.png and dark/copy-10.png: 1.0000" in page


def test_a_report_shows_neighbours_and_why(imprint, album, indexed, tmp_path):
    code, out, err = imprint(
        "search", indexed, "dark/004.png", album / "pictures" / "light" / "001.png",
        "-k", 4, "--out", tmp_path / "found",
    )  # fmt: skip
    assert code == 0, err
    assert str(tmp_path / "found" / "report.html") in out
    page = (tmp_path / "found" / "report.html").read_text()
    assert page.count("<figure>") == 2 + 8
    assert page.count("Above, the query's maps") == 2 * 3
    assert "all others" in page
    assert "http" not in page.replace("http-equiv", "")
    result = json.loads((tmp_path / "found" / "result.json").read_text())
    assert [len(query["found"]) for query in result["queries"]] == [4, 4]
    assert result["rows"] == 60
    config = json.loads((tmp_path / "found" / "config.json").read_text())
    assert config["query"][0] == "dark/004.png"
    shutil.rmtree(tmp_path / "found")
    moved = album / "run0"
    moved.rename(album / "away")
    try:
        code, _, _ = imprint("search", indexed, "dark/004.png", "--out", tmp_path / "found")
        page = (tmp_path / "found" / "report.html").read_text()
        assert code == 0
        assert "Above, the query's maps" not in page
        code, _, err = imprint("search", indexed, album / "pictures" / "light" / "001.png")
        assert code == 2
        assert "model: expected the run of the index in --model, got" in err
    finally:
        (album / "away").rename(moved)


def test_another_runs_index_is_refused(imprint, album, indexed):
    code, _, err = imprint("index", album / "pictures", "--model", album / "run1", "--out", indexed)
    assert code == 2
    assert f"model: expected that of {indexed} (layer block1, network of {album / 'run0'})" in err
    code, _, err = imprint("search", indexed, "dark/004.png", "--model", album / "run1")
    assert code == 2
    assert "got other weights, another normalisation or deviation" in err
    assert len(Gallery(indexed)) == 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "x"], "index: expected one in nowhere, found none"),
        (["pictures", "x"], "index: expected one in pictures, found none"),
        (["INDEX"], "query: expected a FILE, an ID or --duplicates, got none"),
        (["INDEX", "../../etc/passwd"], "query: expected an image file or an id of"),
        (["INDEX", "broken.png"], "broken.png: expected an image"),
        (["INDEX", "dark/004.png", "-k", "0"], "k: expected 1 … 10,000, got 0"),
        (["INDEX", "dark/004.png", "--where", "x OR 1=1"], "where: expected a column"),
        (["INDEX", "--duplicates", "2"], "least: expected a similarity in (0, 1], got 2"),
        (["INDEX", "dark/004.png", "--model", "no"], "model: expected the run of the index"),
        (["INDEX", "dark/004.png", "--out", "full"], "out: expected a new or empty folder"),
    ],
)
def test_mistakes_are_one_line(imprint, album, indexed, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "pictures").symlink_to(album / "pictures")
    code, _, err = imprint("search", *(indexed if own == "INDEX" else own for own in arguments))
    assert code == 2
    assert err.splitlines()[-1].startswith("imprint: error: ")
    assert message in err
    assert len(err.splitlines()) <= 2


def test_signatures_that_were_given_have_a_report_too(imprint, tmp_path):
    gallery = Gallery(tmp_path / "own")
    ids = [r"x\[/b]", "y", "z"]
    gallery.add_signatures(torch.rand(3, 5), ids)  # of an odd length: no means and deviations
    code, out, err = imprint("search", tmp_path / "own", "y", "--out", tmp_path / "found")
    assert code == 0, err
    assert ids[0] in out
    assert "Why" not in (tmp_path / "found" / "report.html").read_text()


def test_a_name_that_is_too_long_is_one_line(imprint, indexed):
    code, _, err = imprint("search", indexed, "x" * 5000)
    assert code == 2
    assert len(err) < 200


def test_a_filter_names_files_as_the_index_does(imprint, indexed):
    code, out, err = imprint(
        "search", indexed, "dark/000.png", "--where", "id != 'caf\udce9.png'", "--json"
    )
    assert code == 0, err
    assert out
