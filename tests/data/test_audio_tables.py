import pytest

from imprint.data.audio_tables import files_in_table, find_table
from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError

from .conftest import write_tone


def table(folder, text, name="tracks.csv"):
    (folder / name).write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return folder / name


def test_columns_are_found_and_kept(tmp_path):
    write_tone(tmp_path / "a" / "звук.wav")
    write_tone(tmp_path / "b.wav")
    text = 'title,file,track,genre\n"One, two",a/звук.wav,T,rock\n\nThree,b.wav\n,b.wav,,folk\n'
    files = files_in_table(table(tmp_path, "\ufeff" + text))
    assert [(file.shown, file.label, file.track) for file in files] == [
        ("a/звук.wav", "rock", "T"),
        ("b.wav", "folk", "b.wav"),  # the row between has no genre and is left out
    ]
    assert files[0].columns["title"] == "One, two"
    assert all(file.path.is_file() and file.refused is None for file in files)


def test_another_column_is_named(tmp_path):
    path = table(tmp_path, "path,label,composer\na.wav,x,Bach\nb.wav,x,Mahler\nc.wav,x,\n")
    assert [file.label for file in files_in_table(path)] == ["x", "x", "x"]
    named = files_in_table(path, label="composer")
    assert [file.label for file in named] == ["Bach", "Mahler"]


def test_without_labels_all_are_of_one_class_where_that_will_do(tmp_path):
    path = table(tmp_path, "file,title\na.wav,A\nb.wav,B\n")
    assert {file.label for file in files_in_table(path, lenient=True)} == {tmp_path.name}


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        ("name,label\na,x\n", None, "a column of files called file or path .*, got name, label"),
        ("file,title\na,x\n", None, "a column of labels called label .* got file, title; name it"),
        ("file,label\na,x\n", "mood", "a column of labels called mood, got file, label"),
        ("file,label\na.wav,\n", None, "at least one row with a label, got none"),
        ("file,label\n", None, "at least one row with a label, got none"),
        ("", None, "a column of files"),
    ],
)
def test_what_is_missing_is_told(tmp_path, text, label, said):
    with pytest.raises(InvalidValueError, match=rf"tracks\.csv: expected {said}"):
        files_in_table(table(tmp_path, text), label=label)


def test_a_named_label_is_needed_even_where_none_would_do(tmp_path):
    path = table(tmp_path, "file,title\na.wav,A\n")
    with pytest.raises(InvalidValueError, match="called mood, got file, title"):
        files_in_table(path, label="mood", lenient=True)


@pytest.mark.parametrize("content", [b"file,label\n\xff\xfe,x\n", b'file,label\n"a.wav,x\n'])
def test_what_is_no_table_is_damage(tmp_path, content):
    with pytest.raises(DamagedFileError, match=r"tracks\.csv: expected a CSV in UTF-8"):
        files_in_table(table(tmp_path, content))


def test_files_that_are_not_there_or_lie_outside_are_refused(tmp_path):
    folder = tmp_path / "music"
    write_tone(tmp_path / "key.wav")
    write_tone(folder / "in.wav")
    (folder / "link.wav").symlink_to(tmp_path / "key.wav")
    names = [
        "in.wav",
        "gone.wav",
        "../key.wav",
        "link.wav",
        tmp_path / "key.wav",
        folder / "in.wav",
    ]
    rows = "".join(f"{name},x\n" for name in names)
    kinds = [type(file.refused) for file in files_in_table(table(folder, "file,label\n" + rows))]
    assert kinds == [type(None), MissingFileError, *[InvalidValueError] * 4]


def test_a_backslash_parts_folders_too(tmp_path):
    write_tone(tmp_path / "a" / "b.wav")
    (file,) = files_in_table(table(tmp_path, "file,label\na\\b.wav,x\n"))
    assert (file.shown, file.refused) == ("a/b.wav", None)


def test_the_one_table_of_files_is_found(tmp_path):
    assert find_table(tmp_path) is None
    table(tmp_path, "year,sales\n1,2\n", "other.csv")
    table(tmp_path, "file,label\n", "._tracks.csv")
    assert find_table(tmp_path) is None
    path = table(tmp_path, "file,label\n")
    assert find_table(tmp_path) == path
    table(tmp_path, "path,label\n", "again.csv")
    with pytest.raises(InvalidValueError, match=r"expected one CSV .* got again\.csv, tracks\.csv"):
        find_table(tmp_path)


def test_a_table_that_is_a_link_out_is_not_read(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "tracks.csv").symlink_to(table(tmp_path, "file,label\n", "secret.csv"))
    assert find_table(tmp_path / "music") is None


def test_a_column_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="each column once, got file, label, label"):
        files_in_table(table(tmp_path, "file,label,label\na.wav,x,\n"))


def test_a_file_that_is_named_twice_counts_once(tmp_path):
    write_tone(tmp_path / "a.wav")
    files = files_in_table(table(tmp_path, "file,label\na.wav,x\n./a.wav,y\nb.wav,x\n"))
    assert [file.track for file in files] == ["a.wav", "a.wav", "b.wav"]
    assert files[0].refused is None
    assert str(files[1].refused) == "a.wav: expected each file once, got it again"
    assert isinstance(files[2].refused, MissingFileError)
