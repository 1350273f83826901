import torch

from imprint.training import split_tracks
from imprint.training.tracks import match_tracks
from imprint.types import ImageSet


def sounds(tracks=12, each=3):
    names = torch.arange(tracks).repeat_interleave(each)
    images = torch.zeros(len(names), 2, 24, 4, dtype=torch.uint8)
    return ImageSet(images, torch.zeros(len(names), dtype=torch.int64), ("all",), groups=names)


def test_the_judge_counts_as_by_hand():
    part = sounds(tracks=3, each=2)
    part = ImageSet(part.images[:5], part.labels[:5], ("",), groups=part.groups[:5])
    angles = torch.tensor([0.0, 0.1, 1.0, 1.5, 0.15])  # the last is alone in its track
    vectors = torch.stack([angles.cos(), angles.sin()], 1)
    matches = match_tracks(vectors, part)
    assert matches.rank.tolist() == [1, 2, 1, 1, 0]
    assert matches.nearest.tolist() == [1, 4, 3, 2, 1]
    apart = torch.tensor([0.1, 0.05, 0.5, 0.5, 0.05])
    torch.testing.assert_close(matches.similarity, apart.cos())
    own = torch.tensor([0.1, 0.1, 0.5, 0.5, torch.nan])
    torch.testing.assert_close(matches.own, own.cos(), equal_nan=True)
    assert matches.found_within(3) == [3 / 4, 1.0, 1.0]


def test_a_lone_sound_finds_nothing():
    lone = sounds(tracks=1, each=1)
    for part in (lone, lone.taken(torch.zeros(1, dtype=torch.bool))):
        matches = match_tracks(torch.ones(len(part), 3), part)
        assert matches.rank.tolist() == [0] * len(part)
        assert matches.nearest.tolist() == [-1] * len(part)
        assert matches.found_within(5) == []


def test_no_track_is_on_both_sides():
    whole = sounds()
    train, test = split_tracks(whole, 0.3, seed=1)
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    assert len(train) + len(test) == len(whole)
    for share in (0.001, 0.999):
        assert all(len(part) for part in split_tracks(whole, share))
