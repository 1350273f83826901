import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.data.seeds import generator_of
from imprint.data.splits import drawn_groups, grouped_split, stratified_split
from imprint.errors import InvalidValueError


def split(labels, share=0.25, seed=0):
    return stratified_split(torch.tensor(labels), test_share=share, generator=generator_of(seed))


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 1000),
)
def test_each_row_is_on_one_side_and_each_class_gives_its_share(labels, share, seed):
    counts = {label: labels.count(label) for label in labels}
    if max(counts.values()) < 2:
        return
    train, test = split(labels, share, seed)
    assert sorted(train.tolist() + test.tolist()) == list(range(len(labels)))
    assert train.tolist() == sorted(train.tolist())
    for label, count in counts.items():
        tested = sum(labels[row] == label for row in test)
        assert tested == (0 if count == 1 else min(max(1, round(share * count)), count - 1))


def test_the_seed_decides():
    labels = [0] * 50 + [1] * 50
    assert split(labels, seed=1)[1].tolist() == split(labels, seed=1)[1].tolist()
    assert split(labels, seed=1)[1].tolist() != split(labels, seed=2)[1].tolist()


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(InvalidValueError, match=r"\(0, 1\)"):
        split([0, 0], share)


def test_nothing_to_test_on_is_refused():
    with pytest.raises(InvalidValueError, match="3 samples, all single"):
        split([0, 1, 2])


@given(
    groups=st.lists(st.integers(-3, 12), min_size=1, max_size=60),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 9),
)
def test_groups_are_never_parted(groups, share, seed):
    groups = torch.tensor(groups)
    labels = groups.remainder(2)
    rule = {"test_share": share, "generator": generator_of(seed)}
    names = torch.unique(groups)
    if all((names.remainder(2) == label).sum() < 2 for label in (0, 1)):
        with pytest.raises(InvalidValueError, match="all single"):
            grouped_split(labels, groups, **rule)
        return
    train, test = grouped_split(labels, groups, **rule)
    assert sorted(train.tolist() + test.tolist()) == list(range(len(groups)))
    assert not set(groups[train].tolist()) & set(groups[test].tolist())
    for label in (0, 1):
        count = int((names.remainder(2) == label).sum())
        tested = len(set(groups[test][labels[test] == label].tolist()))
        expected = 0 if count < 2 else min(max(1, round(share * count)), count - 1)
        assert tested == expected


def test_a_group_of_one_is_a_sample():
    """Where each stands alone, groups change nothing."""
    labels = torch.tensor([0] * 7 + [1] * 9)
    both = [
        rule(labels, *more, test_share=0.3, generator=generator_of(1))
        for rule, more in ((stratified_split, ()), (grouped_split, (torch.arange(16),)))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


def test_a_generator_follows_its_numbers_in_their_order():
    seeds = {generator_of(a, b).initial_seed() for a in range(20) for b in range(20)}
    assert len(seeds) == 400
    with pytest.raises(InvalidValueError, match=r"\(0, -1\)"):
        generator_of(0, -1)


def test_drawn_groups_stay_whole_and_are_as_many_as_asked_for():
    groups = torch.tensor([7, 7, 7, 4, 5, 5, 9, 9])
    for seed in range(20):
        drawn = drawn_groups(8, groups, share=0.5, seed=seed)
        names = groups[drawn].unique().tolist()
        assert len(names) == 2
        assert drawn.equal(torch.isin(groups, torch.tensor(names)))
    assert int(drawn_groups(8, None, share=0.25, seed=0).sum()) == 2
