import torch

from imprint.training import same_track_first, split_tracks
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
    assert same_track_first(vectors, part) == (3 / 4, 1.0)
    lone = ImageSet(part.images[:1], part.labels[:1], ("",), groups=part.groups[:1])
    assert same_track_first(vectors[:1], lone) == (None, None)


def test_no_track_is_on_both_sides():
    whole = sounds()
    train, test = split_tracks(whole, 0.3, seed=1)
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    assert len(train) + len(test) == len(whole)
    for share in (0.001, 0.999):
        assert all(len(part) for part in split_tracks(whole, share))
