"""Metadata: CSV files as people write them, and what is none."""

import pytest

from imprint.errors import DamagedFileError, ImprintError, InvalidValueError, MissingFileError
from imprint.searching import read_metadata
from imprint.searching.rows import kinds_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,year\na,1999\nb,\n", {"a": {"year": 1999.0}, "b": {"year": None}}),
        ("year,path\n1999,a/b.png\n", {"a/b.png": {"year": 1999.0}}),
        ("id,year\na,1999\nb,late\n", {"a": {"year": "1999"}, "b": {"year": "late"}}),
        ('\ufeffid,note\r\na,"one, ""two""\nthree"\r\n', {"a": {"note": 'one, "two"\nthree'}}),
        ("id,x\na,nan\nb,inf\n", {"a": {"x": "nan"}, "b": {"x": "inf"}}),
        ("id,x\n\na,007\n", {"a": {"x": "007"}}),
        ("id,x\na,0.5\nb,0\nc,-0.25\n", {"a": {"x": 0.5}, "b": {"x": 0.0}, "c": {"x": -0.25}}),
        ("id\na\n", {"a": {}}),
        ("id,x\n", {}),
        ("id,x\n../../etc/passwd,1\n", {"../../etc/passwd": {"x": 1.0}}),
    ],
)
def test_reads_what_people_write(tmp_path, text, expected):
    (tmp_path / "m.csv").write_text(text, newline="")
    assert read_metadata(tmp_path / "m.csv") == expected


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", DamagedFileError, "expected a line with the columns' names"),
        (b"id,x\na\n", DamagedFileError, "expected 2 cells a line, got 1 in line 2"),
        (b"id,x\na,1,2\n", DamagedFileError, "expected 2 cells a line, got 3 in line 2"),
        (b"id,x\na,\xff\n", DamagedFileError, "expected a CSV file in UTF-8"),
        (b'id,x\na,"1\n', DamagedFileError, "expected a CSV file in UTF-8"),
        (b"\x00\x01\n", ImprintError, "expected"),
        (b"name,x\na,1\n", InvalidValueError, "expected a column id, path, file; got name, x"),
        (b"id,x,x\na,1,2\n", InvalidValueError, "expected each column once"),
        (b"id,x\na,1\na,2\n", InvalidValueError, "expected each row once, got 'a' twice"),
    ],
)
def test_what_is_none_is_told(tmp_path, content, error, message):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(error, match=message):
        read_metadata(tmp_path / "m.csv")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="metadata: expected a file"):
        read_metadata(tmp_path)


@pytest.mark.parametrize(
    "name", ["", "a b", "1x", "_rowid", "signature", "ID", "Rank", "and", "a;b", "a`b", "x'"]
)
def test_names_that_no_filter_could_use_are_refused(name):
    with pytest.raises(InvalidValueError, match="metadata: expected"):
        kinds_of([{name: "x"}])


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), [1], b"x"])
def test_values_are_texts_or_finite_numbers(value):
    with pytest.raises(InvalidValueError, match="x: expected texts or finite numbers"):
        kinds_of([{"x": value}])


def test_a_column_holds_one_kind():
    assert kinds_of([{"größe": 1}, {"größe": None, "label": "x"}]) == {"größe": "number"}
    with pytest.raises(InvalidValueError, match="x: expected numbers, got 'a'"):
        kinds_of([{"x": 1}, {"x": "a"}])


def test_labels_are_texts_and_numbers_are_written_as_people_do(tmp_path):
    path = tmp_path / "some.csv"
    path.write_text("id,label,code\na,0,1_2\nb,07,3\n")
    assert read_metadata(path) == {
        "a": {"label": "0", "code": "1_2"},
        "b": {"label": "07", "code": "3"},
    }
    assert kinds_of(read_metadata(path).values()) == {"code": "text"}
