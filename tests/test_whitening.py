import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from imprint.errors import InvalidValueError
from imprint.whitening import whiten_within


def samples(groups=6, each=5, size=4, seed=0):
    """Groups that lie apart in the first number, and vary within in the others."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.zeros(groups, size)
    centres[:, 0] = torch.arange(groups)
    names = torch.arange(groups).repeat_interleave(each)
    noise = torch.randn(groups * each, size, generator=generator)
    return centres[names] + noise * torch.tensor([0.1, 1.0, 2.0, 3.0])[:size], names


def naive(features, groups, shrinkage):
    """Covariance within groups of features in deviations, by loops."""
    rows = np.asarray(features, np.float64)
    rows = np.clip((rows - rows.mean(0)) / rows.std(0), -3, 3)
    own = [rows[np.asarray(groups) == name] for name in sorted(set(groups.tolist()))]
    several = [some for some in own if len(some) > 1]
    within = np.zeros((rows.shape[1], rows.shape[1]))
    for some in several:
        for row in some - some.mean(0):
            within += np.outer(row, row) / len(some) / len(several)
    level = np.trace(within) / len(within)
    return rows, (1 - shrinkage) * within + shrinkage * level * np.eye(len(within))


@pytest.mark.parametrize("shrinkage", [0.01, 0.2, 1.0])
def test_distances_are_those_of_the_inverse_covariance_within_groups(shrinkage):
    features, groups = samples()
    rows, within = naive(features, groups, shrinkage)
    mapped = whiten_within(features, groups, shrinkage=shrinkage)(features)
    apart = rows[3] - rows[17]
    expected = apart @ np.linalg.inv(within) @ apart
    assert float((mapped[3] - mapped[17]).square().sum()) == pytest.approx(expected, rel=1e-4)


def test_the_first_directions_are_those_of_a_discriminant_analysis():
    features, groups = samples(groups=4, each=40)
    mapped = whiten_within(features, groups, dimensions=2, shrinkage=1e-9)(features)
    judge = LinearDiscriminantAnalysis(solver="eigen", n_components=2)
    theirs = judge.fit_transform(whiten_within(features, groups).scaled(features), groups)
    for ours, other in zip(mapped.T.numpy(), theirs.T, strict=True):
        assert abs(np.corrcoef(ours, other)[0, 1]) > 0.999


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.floats(0.1, 100), st.floats(-5, 5))
def test_order_names_scale_and_offset_do_not_matter(seed, scale, offset):
    features, groups = samples(seed=seed)
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    plain = whiten_within(features, groups)(features)
    moved = features * scale + offset
    other = whiten_within(moved[order], 100 - groups[order])(moved)
    assert torch.allclose(plain @ plain.T, other @ other.T, rtol=1e-2, atol=1e-2)


def test_many_samples_give_what_few_at_a_time_do(monkeypatch):
    features, groups = samples()
    whole = whiten_within(features, groups)
    monkeypatch.setattr("imprint.whitening.TOGETHER", 7)
    for one, other in zip(whole, whiten_within(features, groups), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_groups_of_one_sample_have_no_part_in_what_varies():
    features, groups = samples()
    lone = torch.cat([features, features[:1]]), torch.cat([groups, torch.tensor([99])])
    scaled = whiten_within(*lone).scaled(lone[0])[:-1]
    again = whiten_within(scaled, groups)
    assert torch.isfinite(again(scaled)).all()
    assert torch.isfinite(whiten_within(*lone)(lone[0])).all()


def test_numbers_that_do_not_vary_are_left_alone():
    features, groups = samples()
    features[:, 1] = 7.0
    assert torch.isfinite(whiten_within(features, groups)(features)).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shrinkage": 0.0}, "shrinkage: .* got 0.0"),
        ({"dimensions": 5}, "dimensions: expected 1 … 4, got 5"),
        ({"groups": torch.arange(30)}, "groups: expected one with two samples"),
        ({"groups": torch.zeros(3, dtype=torch.int64)}, "features: expected .* got .*3"),
    ],
)
def test_what_cannot_be_solved_is_told(given, message):
    features, groups = samples()
    with pytest.raises(InvalidValueError, match=message):
        whiten_within(features, **{"groups": groups, **given})
