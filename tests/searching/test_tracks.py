"""Files of audio in a gallery: read, kept, searched and recommended like images, by track."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from imprint.data import AudioOptions
from imprint.errors import DamagedFileError, InvalidValueError, MissingFileError
from imprint.searching import Added, Gallery
from imprint.types import ImageSet

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

from .conftest import network, write_pictures  # noqa: E402
from .sounding import BRIGHT, DARK, RATE, tone, write_music, write_table  # noqa: E402

AUDIO = AudioOptions(seconds=1.0)
PLAIN = AudioOptions(seconds=2.0)


def sound_network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU())


@pytest.fixture
def music(tmp_path):
    return write_music(tmp_path / "music")


@pytest.fixture
def heard(tmp_path, music):
    """A gallery of twelve sounds, two of each of six tracks, by their classical signatures."""
    gallery = Gallery(tmp_path / "music.lance", audio=PLAIN)
    gallery.add(write_table(music))
    return gallery


def ids(found):
    return [own.id for own in found]


def test_a_row_an_excerpt_with_its_track_and_place(tmp_path, music):
    gallery = Gallery(tmp_path / "music.lance", model=sound_network(), layer="1", audio=AUDIO)
    assert gallery.add(music) == Added(added=24)
    row = gallery.row("dark/0a.wav#2")
    assert (row.label, row.metadata) == ("dark", {"track": "dark/0a.wav", "start_seconds": 1})
    assert row.path == str(music / "dark" / "0a.wav")
    assert gallery.about.shape == (2, 64, 32)
    assert gallery.about.audio == AUDIO
    assert gallery.count("track = 'dark/0a.wav' AND start_seconds >= 1") == 1
    assert gallery.search("dark/0a.wav#2", k=1)[0].label == "dark"
    assert [own.metadata["track"] for own in gallery.recommend(["dark/0a.wav#2"], k=30)].count(
        "dark/0a.wav"
    ) == 0
    assert len(gallery.recommend(["dark/0a.wav#2"], k=30)) == 11


def test_what_is_unchanged_is_skipped_and_what_has_changed_is_replaced(tmp_path, music):
    def opened():
        return Gallery(tmp_path / "music.lance", model=sound_network(), layer="1", audio=AUDIO)

    opened().add(music)
    before = opened().signature_of("dark/0a.wav#1")
    assert opened().add(music) == Added(unchanged=24)
    soundfile.write(music / "dark" / "0a.wav", tone(440, BRIGHT), RATE)
    shutil.copy(music / "dark" / "0b.wav", music / "dark" / "new.wav")
    assert opened().add(music) == Added(added=2, replaced=2, unchanged=22)
    assert not torch.allclose(opened().signature_of("dark/0a.wav#1"), before)
    (tmp_path / "away").mkdir()
    moved = music.rename(tmp_path / "away" / "music")
    assert opened().add(moved) == Added(renewed=26)
    assert len(opened().recommend(["dark/1a.wav#1"], k=3)) == 3  # what is kept of a sound stays
    assert opened().recommend(["dark/1a.wav#1"], k=3)[0].why is not None


def test_a_table_gives_columns(heard, music):
    assert heard.row("dark/0b.wav").metadata == {
        "file": "dark/0b.wav", "track": "dark 0", "composer": "y", "year": 1907,
        "release_date": "a", "start_seconds": 0,
    }  # fmt: skip
    assert heard.row("dark/0b.wav").label == "music"  # the table has no labels
    assert heard.count("year < 1903") == 3
    assert heard.add(music, metadata={"dark/0b.wav": {"mood": "calm"}}) == Added(
        renewed=1, unchanged=11, described=1
    )
    assert heard.row("dark/0b.wav").metadata["mood"] == "calm"


def test_what_is_no_audio_is_told_and_skipped(tmp_path, music):
    (music / "dark" / "0a.wav").write_bytes(b"no audio")
    (music / "dark" / "empty.ogg").touch()
    whole = (music / "dark" / "0b.wav").read_bytes()
    (music / "dark" / "short.wav").write_bytes(whole[: len(whole) // 2])
    shutil.copy(music / "dark" / "1a.wav", tmp_path / "outside.wav")
    (music / "dark" / "link.wav").symlink_to(tmp_path / "outside.wav")
    told = {}
    gallery = Gallery(tmp_path / "music.lance", audio=PLAIN)
    added = gallery.add(music, on_broken=told.__setitem__)
    assert added == Added(added=12, broken=3)  # of a file that is cut, libsndfile reads the rest
    assert set(told) == {"dark/0a.wav", "dark/empty.ogg", "dark/link.wav"}
    assert "expected audio, got 8 bytes" in told["dark/0a.wav"]
    assert "outside of it" in told["dark/link.wav"]


def test_a_file_finds_itself_and_knows_its_copies(heard, music, tmp_path):
    shutil.copy(music / "bright" / "2a.wav", tmp_path / "own.wav")
    found = heard.search(tmp_path / "own.wav", k=2)
    assert found[0].id == "bright/2a.wav"
    assert found[0].similarity == pytest.approx(1, abs=1e-4)
    liked = heard.recommend([tmp_path / "own.wav"], k=12)
    assert {own.metadata["track"] for own in liked} == {
        "bright 0", "bright 1", "dark 0", "dark 1", "dark 2"
    }  # fmt: skip
    assert ids(liked) == ids(heard.recommend(["bright/2a.wav"], k=12))
    soundfile.write(tmp_path / "quiet.flac", 0.1 * soundfile.read(tmp_path / "own.wav")[0], RATE)
    assert heard.search(tmp_path / "quiet.flac", k=1)[0].id == "bright/2a.wav"


def test_recommendations_follow_likes_and_leave_dislikes(heard):
    bright = heard.recommend(["bright/0a.wav"], ["dark/0a.wav"], k=4)
    assert [own.metadata["track"][:-2] for own in bright[:2]] == ["bright", "bright"]
    assert bright[0].unlike_similarity < bright[0].similarity
    tracks = [own.metadata["track"] for own in bright]
    assert len(set(tracks)) == 4
    assert not {"bright 0", "dark 0"} & set(tracks)
    both = ["bright/0a.wav", "dark/1b.wav"]
    assert heard.recommend(both, k=9) == heard.recommend(both[::-1], k=9)
    plain = ids(heard.recommend(["bright/0a.wav"], k=9))
    assert plain == ids(heard.recommend(["bright/0a.wav"], k=9, spread=0))
    assert plain != ids(heard.recommend(["bright/0a.wav"], k=9, spread=0.9))
    assert {own.metadata["year"] for own in heard.recommend(both, k=9, where="year > 1905")} <= {
        *range(1906, 1912)
    }


def test_a_plain_recommendation_is_a_search_without_its_track(heard):
    found = heard.search("dark/1a.wav", k=12)
    first = {}
    for own in found:
        if own.metadata["track"] != "dark 1":
            first.setdefault(own.metadata["track"], own)
    recommended = heard.recommend(["dark/1a.wav"], k=12)
    assert ids(recommended) == ids(first.values())
    assert [own.similarity for own in recommended] == pytest.approx(
        [own.similarity for own in first.values()], abs=1e-5
    )
    assert [own.score for own in recommended] == pytest.approx(
        [own.similarity for own in recommended], abs=1e-5
    )


def test_many_excerpts_of_one_track_leave_room_for_others(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    soundfile.write(folder / "long.wav", tone(262, DARK, 120), RATE)
    for number, pitch in enumerate((265, 330, 392)):
        soundfile.write(folder / f"{number}.wav", tone(pitch, DARK, 0.5), RATE)
    gallery = Gallery(tmp_path / "m.lance", audio=AudioOptions(seconds=0.5))
    assert gallery.add(folder).added == 243
    found = gallery.recommend(["long.wav#7"], k=3)
    assert sorted(ids(found)) == ["0.wav", "1.wav", "2.wav"]
    assert len(gallery.recommend(["1.wav"], k=50, spread=0.5)) == 3  # fewer tracks than k


def test_metadata_of_another_kind_are_refused(heard, music):
    with pytest.raises(InvalidValueError, match="year: expected numbers, as the data have them"):
        heard.add(music, metadata={"dark/0a.wav": {"year": "long ago"}})
    assert heard.row("dark/0a.wav").metadata["year"] == 1906


def test_what_is_deleted_is_not_recommended(heard):
    assert heard.delete(where="file LIKE 'dark%'") == 6
    found = heard.recommend(["bright/0a.wav"], k=9)
    assert sorted(own.metadata["track"] for own in found) == ["bright 1", "bright 2"]
    assert heard.delete(where="track != 'bright 0'") == 4
    assert heard.recommend(["bright/0a.wav"]) == []


def test_why_names_the_part_that_agrees(heard):
    key = heard.recommend(["bright/1a.wav"], k=5, where="file LIKE 'dark%'")
    same = next(own for own in key if own.metadata["track"] == "dark 1")
    assert same.why.agrees == "harmony"
    assert same.why.harmony == max(own.why.harmony for own in key)
    colour = heard.recommend(["bright/1a.wav"], k=5, where="file LIKE 'bright%'")
    assert {own.why.agrees for own in colour} == {"timbre"}
    assert all(-1 <= own.why.timbre <= 1 for own in (*key, *colour))


def test_silence_is_similar_to_nothing(tmp_path, music):
    for name in ("zeros", "nothing"):
        soundfile.write(music / "dark" / f"{name}.wav", np.zeros(2 * RATE), RATE)
    model = sound_network()
    with torch.no_grad():
        model[0].bias.fill_(1)  # so that a network answers to an image of zeros
    for name, look in (("own", {"model": model, "layer": "1"}), ("plain", {})):
        gallery = Gallery(tmp_path / f"{name}.lance", audio=PLAIN, **look)
        assert gallery.add(music) == Added(added=14)
        silent = gallery.search("dark/zeros.wav"), gallery.recommend(["dark/zeros.wav"])
        assert silent == ([], [])
        assert gallery.recommend([music / "dark" / "zeros.wav"]) == []
        found = gallery.recommend(["dark/0a.wav", "dark/zeros.wav"], ["dark/nothing.wav"], k=30)
        assert len(found) == 11
        assert all(math.isfinite(own.similarity) and math.isfinite(own.why.timbre) for own in found)
        assert len(gallery.search("dark/0a.wav", k=30)) == 11


def test_images_are_recommended_too(here, pictures):
    gallery = here(model=network(), layer="1")
    gallery.add(pictures, metadata={f"lying/00{n}.png": {"track": "same"} for n in (0, 2, 4)})
    found = gallery.recommend(["lying/006.png"], ["standing/001.png"], k=24, spread=0.2)
    assert len(found) == 20
    assert sum(own.metadata.get("track") == "same" for own in found) == 1
    assert {own.why for own in found} == {None}
    assert found[0].label == "lying"
    assert ids(gallery.recommend([pictures / "lying" / "006.png"], k=3)) == ids(
        gallery.recommend(["lying/006.png"], k=3)
    )


@pytest.mark.parametrize(
    ("wishes", "options", "message"),
    [
        ((["no"],), {}, "like: expected an id of .*, got 'no'"),
        ((["dark/0a.wav"], ["no"]), {}, "unlike: expected an id of .*, got 'no'"),
        (([],), {}, "like: expected at least one id or file, got none"),
        (("dark/0a.wav",), {}, "like: expected a list, got one str"),
        ((["dark/0a.wav"], ["dark/0a.wav"]), {}, "unlike: expected nothing that is liked, got"),
        ((["dark/0a.wav"],), {"k": 0}, "k: expected 1 … 1,000, got 0"),
        ((["dark/0a.wav"],), {"k": 1001}, "k: expected 1 … 1,000, got 1001"),
        ((["dark/0a.wav"],), {"spread": -0.1}, "spread: expected 0 … 1, got -0.1"),
        ((["dark/0a.wav"],), {"spread": math.nan}, "spread: expected 0 … 1, got nan"),
        ((["dark/0a.wav"],), {"where": "1 = 1"}, "where: expected a column"),
        (([torch.zeros(5)],), {}, r"query: expected a signature \(64,\), got \(5,\)"),
    ],
)
def test_wrong_wishes_are_refused(heard, wishes, options, message):
    with pytest.raises((InvalidValueError, MissingFileError), match=message):
        heard.recommend(*wishes, **options)


def test_files_that_will_not_do_are_refused(heard, music, tmp_path):
    (tmp_path / "no.ogg").write_bytes(b"no audio")
    with pytest.raises(DamagedFileError, match=r"no\.ogg: expected audio, got 8 bytes"):
        heard.recommend([tmp_path / "no.ogg"])
    with pytest.raises(MissingFileError, match="audio: expected a file"):
        heard.recommend([tmp_path / "nowhere.ogg"])
    pictures = write_pictures(tmp_path / "pictures", 2)
    with pytest.raises(InvalidValueError, match="model: expected one for images, got none"):
        heard.add(pictures)
    seen = Gallery(tmp_path / "seen.lance", model=network(), layer="1")
    seen.add(pictures)
    with pytest.raises(InvalidValueError, match=r"data: expected images \(1, 8, 8\), got audio"):
        seen.add(music)
    nets = Gallery(tmp_path / "net.lance", model=sound_network(), layer="1", audio=PLAIN)
    nets.add(music)
    images = ImageSet(torch.ones(2, 2, 64, 63).byte(), torch.zeros(2).long(), ("a",))
    with pytest.raises(InvalidValueError, match="data: expected files of audio, as the index has"):
        nets.add(images)


def test_another_models_index_is_refused(heard, tmp_path):
    with pytest.raises(InvalidValueError, match=r"model: expected that of .*mfcc-chroma, no netw"):
        Gallery(tmp_path / "music.lance", model=sound_network(), layer="1")
    assert len(Gallery(tmp_path / "music.lance").recommend(["dark/0a.wav"])) == 5


def test_what_an_index_says_of_audio_is_read_again(heard, tmp_path):
    about = Gallery(tmp_path / "music.lance").about
    assert about == heard.about
    assert json.loads(about.written()[b"imprint"])["audio"]["seconds"] == 2
