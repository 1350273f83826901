import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from imprint.errors import InvalidValueError, MissingExtraError
from imprint.exploring import principal_components, tsne

from .conftest import normal, shuffled


def stretched(count, width, seed=0):
    """Vectors whose axes differ clearly in how far they reach, turned at random."""
    turn = torch.linalg.qr(normal(width, width, seed=seed + 1)).Q
    return normal(count, width, seed=seed) * 0.6 ** torch.arange(width) @ turn + 3


@given(seed=st.integers(0, 30), count=st.integers(20, 60), width=st.integers(2, 12))
def test_principal_components_agree_with_scikit_learn(seed, count, width):
    vectors = stretched(count, width, seed)
    judge = PCA(2, svd_solver="full").fit(vectors.double().numpy())
    expected = torch.from_numpy(judge.transform(vectors.double().numpy())).float()
    found = principal_components(vectors).points
    signs = (found * expected).sum(0).sign()
    torch.testing.assert_close(found, expected * signs, atol=1e-3, rtol=1e-3)


def test_each_axis_points_where_its_largest_weight_is_positive():
    found = principal_components(stretched(50, 6), 3)
    axes = found.place(torch.eye(6)) - found.place(torch.zeros(6, 6))
    assert bool((axes.gather(0, axes.abs().argmax(0, keepdim=True)) > 0).all())
    torch.testing.assert_close(axes.T @ axes, torch.eye(3), atol=1e-5, rtol=0)


def test_places_what_was_embedded_where_it_is_and_shifts_with_it():
    vectors = stretched(80, 5)
    found = principal_components(vectors, 3)
    torch.testing.assert_close(found.place(vectors[7:9]), found.points[7:9])
    torch.testing.assert_close(found.points.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    moved = principal_components(vectors + 5, 3).points
    torch.testing.assert_close(moved, found.points, atol=1e-3, rtol=0)
    order = shuffled(80)
    permuted = principal_components(vectors[order], 3).points
    torch.testing.assert_close(permuted, found.points[order], atol=1e-3, rtol=0)


def test_components_of_many_rows_are_learnt_from_some_and_the_seed_decides():
    vectors = stretched(12_000, 4)
    one, same, other = (principal_components(vectors, seed=seed).points for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert 1e-3 < (one - other).abs().max() < 0.2  # more than rounding


@pytest.mark.parametrize("vectors", [torch.ones(5, 3), torch.ones(1, 3), torch.zeros(2, 1)])
def test_where_nothing_varies_all_points_are_one(vectors):
    found = principal_components(vectors, 1).points
    torch.testing.assert_close(found, torch.zeros(len(vectors), 1))


@pytest.mark.parametrize(
    ("shape", "count"), [((5, 3), 4), ((2, 3), 3), ((5, 3), 0), ((0, 3), 1), ((5,), 1)]
)
def test_refuses_components_out_of_range(shape, count):
    with pytest.raises(InvalidValueError, match=r"vectors, count: expected \(N, D\), count up to"):
        principal_components(torch.zeros(shape), count)


@pytest.fixture(scope="module")
def drawn_map(digits):
    """A map of 2,000 digits, and where 400 others come to lie on it."""
    pixels = digits.images.flatten(1).float() / 255
    space = principal_components(pixels[:2000], 50)
    found = tsne(space.points)
    return found, found.points.clone(), found.place(space.place(pixels[2000:]))


def test_on_the_map_neighbours_are_of_one_class(drawn_map, digits):
    points, labels = drawn_map[1].numpy(), digits.labels[:2000].numpy()
    assert drawn_map[1].shape == (2000, 2)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    votes = labels[distances.argsort(1)[:, :10]]
    most = np.array([np.bincount(row).argmax() for row in votes])
    assert (most == labels).mean() > 0.85


def test_what_the_map_has_not_seen_is_placed_near_its_class(drawn_map, digits):
    found, before, placed = drawn_map
    judge = KNeighborsClassifier(10).fit(before.numpy(), digits.labels[:2000].numpy())
    assert judge.score(placed.numpy(), digits.labels[2000:].numpy()) > 0.85
    assert torch.equal(found.points, before)


def test_the_seed_decides_a_map():
    vectors = normal(60, 5)
    one, same, other = (tsne(vectors, seed=seed, threads=1).points for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "vectors",
    [
        normal(4, 3),
        normal(5, 2),
        normal(20, 1),
        torch.ones(20, 3),
        torch.ones(20, 1),
        torch.cat((torch.ones(30, 3), normal(10, 3))),
        torch.cat((torch.ones(20, 1), normal(20, 1)), 1),
    ],
    ids=["four", "five", "one axis", "equal", "zero axes", "many equal", "a line"],
)
def test_maps_whatever_there_is(vectors):
    found = tsne(vectors)
    assert found.points.shape == (len(vectors), 2)
    assert bool(found.points.isfinite().all())
    placed = found.place(vectors[:1])
    assert placed.shape == (1, 2)
    assert bool(placed.isfinite().all())


@pytest.mark.parametrize("shape", [(3, 2), (0, 2), (9,), (9, 2, 2)])
def test_refuses_what_cannot_be_mapped(shape):
    with pytest.raises(InvalidValueError, match=r"vectors: expected \(N, D\), N > 3; got"):
        tsne(torch.zeros(shape))


def test_without_opentsne_names_the_extra(without):
    without("openTSNE")
    with pytest.raises(MissingExtraError, match=r"openTSNE: .*imprint\[explore\]"):
        tsne(torch.rand(9, 2, generator=torch.Generator()))
