"""An exploration, read from its table."""

import shutil

import pytest

from imprint.app.explored import map_of, outliers_of, read_explored, shown, suspects_of
from imprint.errors import DamagedFileError, MissingFileError
from imprint.runs import read_json


@pytest.fixture
def folder(place, tmp_path):
    return shutil.copytree(place / "runs" / "explored", tmp_path / "explored")


def edited(folder, change):
    path = folder / "samples.csv"
    path.write_text(change(path.read_text()))
    return read_explored(folder)


def test_the_map_has_each_sample_of_the_first_part_in_its_class(folder):
    explored = read_explored(folder)
    chart = map_of(explored)
    assert [trace["name"] for trace in chart["data"]] == list("0123456789")
    assert sum(len(trace["x"]) for trace in chart["data"]) == 600
    assert len({trace["marker"]["color"] for trace in chart["data"]}) == 10
    first = next(own for own in explored.samples if own.label == "3")
    assert chart["data"][3]["x"][0], chart["data"][3]["y"][0] == first.at


def test_outliers_are_those_of_the_result_the_farthest_first(folder):
    explored = read_explored(folder)
    found = outliers_of(explored, k=10_000)
    assert len(found) == read_json(folder / "result.json")["outliers"] > 0
    assert [own.score for own in found] == sorted((own.score for own in found), reverse=True)
    label = found[0].label
    assert {own.label for own in outliers_of(explored, label)} == {label}


def test_suspects_are_flagged_rows_the_surest_first(folder):
    def flag(text):
        lines = text.splitlines()
        names = lines[0].split(",")
        for row, doubt in ((1, "0.8"), (2, "0.9")):
            cells = dict(zip(names, lines[row].split(","), strict=True))
            cells |= {"label_issue_score": doubt, "is_label_issue": "true"}
            cells["suggested_label"] = "7"
            lines[row] = ",".join(cells.values())
        return "\n".join(lines)

    found = suspects_of(edited(folder, flag))
    assert [(own.row, own.doubt, own.suggested) for own in found] == [(1, 0.9, "7"), (0, 0.8, "7")]


def test_pictures_are_of_the_very_images(folder, sources):
    explored = read_explored(folder)
    found = outliers_of(explored, k=3)
    pictures = shown(found, sources.data.parts(explored.config), lambda own: own.place)
    assert [own.note for own in pictures] == [own.place for own in found]
    assert all(own.source.startswith("data:image/png;base64,") for own in pictures)


def test_a_table_of_an_older_version_has_no_map(folder):
    def without(text):
        return text.replace("map_x,map_y", "other,another")

    assert map_of(edited(folder, without)) is None


@pytest.mark.parametrize("text", ["", "split,index\ntrain,0\n", "\0", "split"])
def test_a_damaged_table_is_told_so(folder, text):
    if text in {"", "\0", "split"}:
        assert edited(folder, lambda _: text).samples == []
        return
    with pytest.raises(DamagedFileError, match="expected a table of samples"):
        edited(folder, lambda _: text)


def test_an_exploration_without_its_table_is_told_so(folder):
    (folder / "samples.csv").unlink()
    with pytest.raises(MissingFileError, match=r"samples\.csv"):
        read_explored(folder)
