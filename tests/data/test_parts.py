import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imprint.data import load, spelled, survey
from imprint.data.audio_tables import files_in_table
from imprint.data.folders import FolderImages
from imprint.errors import InvalidValueError


@given(st.binary())
def test_what_a_system_calls_a_file_becomes_text(name):
    read = os.fsdecode(name)
    assert spelled(read) == name.decode("utf-8", "backslashreplace")


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_string_becomes_text_once(name):
    text = spelled(name)
    assert text.encode().decode() == text == spelled(text)


@pytest.fixture
def accents(tmp_path):
    """Class folders of which one is named in Latin-1."""
    for name in (b"caf\xe9", "größe".encode()):
        folder = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
        os.mkdir(folder)  # noqa: PTH102
        for number in range(4):
            Image.new("L", (6, 4), 9 * number).save(os.fsdecode(folder) + f"/{number}.png")
    return tmp_path


def test_classes_named_in_no_utf8_are_read_and_named_by_text(accents):
    names = (r"caf\xe9", "größe")
    assert load(accents).train.class_names == names
    assert FolderImages(accents).classes == names
    part = survey(accents)["all"]
    assert part.images.class_names == names
    assert part.paths[0] == r"caf\xe9/0.png"


def test_two_folders_that_are_spelled_alike_are_told(accents):
    (accents / r"caf\xe9").mkdir()
    for read in (load, survey):
        with pytest.raises(InvalidValueError, match=r"expected classes of different names, got"):
            read(accents)


def test_a_table_of_sound_in_a_folder_named_in_no_utf8_has_a_class_of_text(tmp_path):
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    (folder / "tracks.csv").write_text("file,year\na.wav,1970\n")
    (file,) = files_in_table(folder / "tracks.csv", lenient=True)
    assert file.label == r"caf\xe9"
