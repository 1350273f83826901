import math

import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    Normal,
)

from imprint.errors import InvalidValueError
from imprint.skipping.published.partial_forward_blocking import (
    DensityEstimator,
    bandwidths,
    log_density,
    log_importance,
    pool_channels,
    update_centres,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sample(n=64, d=10, seed=0):
    """Rows about three places, of which the last is rare; with the places as labels."""
    generator = seeded(seed)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2]).repeat(n // 8)
    places = 4 * torch.randn(3, d, generator=seeded(99))
    return places[labels] + 0.3 * torch.randn(n, d, generator=generator), labels


def test_bandwidths_by_hand():
    centres = torch.tensor([[0.0, 10.0], [2.0, 30.0]])  # standard deviations of 1 and 10
    factor = (4 / (4 * 2)) ** (1 / 6)
    torch.testing.assert_close(bandwidths(centres), torch.tensor([factor, 10 * factor]))


def test_an_entry_that_is_dead_in_all_centres_has_a_bandwidth_all_the_same():
    spread = bandwidths(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    assert spread[1].item() == pytest.approx(spread[0].item() / 1000)
    assert (bandwidths(torch.full((3, 2), 7.0)) > 0.1).all()


def test_density_is_that_of_a_mixture_of_normal_distributions():
    features, _ = sample(d=3)
    centres, counts = sample(n=8, d=3, seed=1)[0], torch.arange(1.0, 9.0)
    kernels = Independent(Normal(centres, bandwidths(centres).expand(8, 3)), 1)
    mixture = MixtureSameFamily(Categorical(probs=counts), kernels)
    expected = mixture.log_prob(features) - math.log(8)  # the printed formula divides by C too
    torch.testing.assert_close(log_density(features, centres, counts=counts), expected)


def test_density_by_hand():
    centres, counts = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.tensor([1.0, 3.0])
    scale = (4 / 6) ** (1 / 5)

    def kernel(u):
        return math.exp(-((u / scale) ** 2) / 2) / (scale * math.sqrt(2 * math.pi))

    expected = 0.25 / 2 * kernel(1.5) + 0.75 / 2 * kernel(0.5)
    found = log_density(torch.tensor([[0.5]], dtype=torch.float64), centres, counts=counts)
    assert found.exp().item() == pytest.approx(expected, rel=1e-6)


def test_density_ranks_where_it_would_underflow():
    centres = torch.randn(20, 64, generator=seeded())
    far = torch.tensor([[50.0], [60.0]]).expand(2, 64)
    near, farther = log_density(far, centres, counts=torch.ones(20)).tolist()
    assert math.exp(near) == 0
    assert -math.inf < farther < near


def test_importance_by_hand():
    densities = torch.tensor([0.5, 0.001, 0.25])
    generator = seeded(4)
    found = log_importance(densities.log(), noise=0.01, generator=generator)
    alpha = 0.01 * torch.rand(3, generator=seeded(4))
    torch.testing.assert_close(found.exp(), 1 / (densities + alpha * 0.5))
    exact = log_importance(densities.log(), noise=0, generator=generator)
    torch.testing.assert_close(exact.exp(), 1 / densities)


def test_noise_mixes_the_rare_and_leaves_the_dense_in_order():
    log_densities = torch.cat((torch.tensor([0.0, -1.0]), -40 - torch.arange(6.0)))
    orders = {
        tuple(log_importance(log_densities, noise=0.01, generator=seeded(seed)).argsort().tolist())
        for seed in range(20)
    }
    assert len(orders) > 10
    assert {order[:2] for order in orders} == {(0, 1)}


def test_centres_follow_the_mean_of_their_rows_by_hand():
    features = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 9.0]])
    centres = torch.tensor([[0.0, 0.0], [0.0, 10.0], [-50.0, 0.0]])
    counts = torch.tensor([1.0, 2.0, 3.0])
    moved, counted = update_centres(features, centres, counts=counts, rate=0.1)
    expected = torch.tensor([[0.2, 0.0], [0.0, 9.9], [-50.0, 0.0]])
    torch.testing.assert_close(moved, expected)
    assert counted.tolist() == [3.0, 3.0, 3.0]
    assert centres[0].tolist() == [0.0, 0.0]  # the old ones are as they were


def test_channels_are_pooled_in_groups():
    features = torch.tensor([[1.0, 3.0, 10.0, 20.0, 0.0, 4.0]])
    assert pool_channels(features, width=3).tolist() == [[2.0, 15.0, 2.0]]
    assert torch.equal(pool_channels(features, width=6), features)
    assert torch.equal(pool_channels(features, width=99), features)


def test_what_is_rare_scores_highest():
    estimator = DensityEstimator(num_centres=20, noise=0, seed=1)
    for seed in range(30):
        features, labels = sample(seed=seed)
        scores = estimator.step(features, labels)
    kept = scores.topk(16).indices
    assert (labels[kept] == 2).sum() >= 6  # of 8; by chance it would be 2


def test_step_is_the_pure_functions_in_turn():
    estimator = DensityEstimator(num_centres=5, keep=0.25, rate=0.5, noise=0)
    features, labels = sample()
    estimator.step(features, labels)
    before = estimator.state_dict()
    scores = estimator.step(features, labels)
    expected = -log_density(features, before["centres"], counts=before["counts"])
    torch.testing.assert_close(scores, expected)
    kept = expected.argsort()[-16:]
    centres, counts = update_centres(
        features[kept], before["centres"], counts=before["counts"], rate=0.5
    )
    torch.testing.assert_close(estimator.state_dict()["centres"], centres)
    torch.testing.assert_close(estimator.state_dict()["counts"], counts)
    assert counts.sum() == 5 + 2 * 16  # each centre's own, and what was kept


def test_centres_come_from_several_batches_where_one_is_small():
    estimator = DensityEstimator(num_centres=12, rate=0)
    features, labels = sample()
    for rows, centres in ((slice(0, 8), 8), (slice(8, 16), 12), (slice(16, 24), 12)):
        estimator.step(features[rows], labels[rows])
        assert len(estimator.state_dict()["centres"]) == centres
    found = estimator.state_dict()["centres"]
    assert (torch.cdist(found, features[:16]).min(1).values < 1e-4).all()
    assert len(found.unique(dim=0)) == 12


def test_first_centres_are_drawn_by_the_seed_and_as_wide_as_asked_for():
    features, labels = sample()
    pooled = pool_channels(features, width=4)
    drawn = []
    for seed in (0, 1):
        estimator = DensityEstimator(num_centres=6, width=4, rate=0, seed=seed)
        estimator.step(features, labels)
        drawn.append(torch.cdist(estimator.state_dict()["centres"], pooled).argmin(1).tolist())
        torch.testing.assert_close(estimator.state_dict()["centres"], pooled[drawn[-1]])
    assert set(drawn[0]) != set(drawn[1])


def test_is_the_same_for_the_same_seed():
    def run(seed):
        estimator = DensityEstimator(num_centres=8, seed=seed)
        return torch.cat([estimator.step(*sample(seed=step)) for step in range(3)])

    first = run(0)
    torch.rand(3)
    assert torch.equal(run(0), first)
    assert not torch.equal(run(1), first)


def test_rows_that_are_not_finite_teach_nothing():
    clean, dirty = DensityEstimator(), DensityEstimator()
    features, labels = sample()
    broken = torch.cat((features, torch.full((1, 10), torch.inf)))
    scores = dirty.step(broken, torch.cat((labels, labels[:1])))
    torch.testing.assert_close(scores[:-1], clean.step(features, labels))
    assert scores[-1].isnan()
    assert all(torch.equal(dirty.state_dict()[k], v) for k, v in clean.state_dict().items())
    assert dirty.step(torch.full((2, 10), torch.nan), labels[:2]).isnan().all()


def test_no_rows_teach_nothing():
    estimator = DensityEstimator()
    assert estimator.step(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)).shape == (0,)
    assert not estimator.state_dict()["centres"].numel()


@pytest.mark.parametrize("value", [0.0, 1e9])
def test_a_network_that_gives_the_same_for_all_makes_no_nan(value):
    estimator = DensityEstimator(num_centres=4)
    for _ in range(3):
        scores = estimator.step(torch.full((8, 6), value), torch.zeros(8, dtype=torch.int64))
        assert scores.isfinite().all()


def test_state_makes_the_same_estimator():
    estimator, other = DensityEstimator(num_centres=40), DensityEstimator(num_centres=40, seed=9)
    estimator.step(*sample(n=16))
    other.load_state_dict(estimator.state_dict())
    for seed in (1, 2):
        assert torch.equal(estimator.step(*sample(seed=seed)), other.step(*sample(seed=seed)))


def test_an_empty_state_serves_too():
    estimator, other = DensityEstimator(), DensityEstimator(seed=9)
    other.load_state_dict(estimator.state_dict())
    assert torch.equal(estimator.step(*sample()), other.step(*sample()))


def test_a_state_that_does_not_fit_is_named():
    estimator = DensityEstimator(num_centres=8)
    estimator.step(*sample())
    state = estimator.state_dict()
    for wrong in (
        {},
        {**state, "counts": state["counts"][:3]},
        {**state, "centres": state["centres"][:, 0]},
        {key: state[key] for key in ("centres", "counts")},
    ):
        with pytest.raises(InvalidValueError, match="state: expected centres, counts, generator"):
            DensityEstimator(num_centres=8).load_state_dict(wrong)
    for smaller in (DensityEstimator(num_centres=7), DensityEstimator(num_centres=8, width=9)):
        with pytest.raises(InvalidValueError, match="state"):
            smaller.load_state_dict(state)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_centres": 0},
        {"width": 0},
        {"keep": 0},
        {"keep": 1.1},
        {"rate": -0.1},
        {"rate": 1.1},
        {"noise": -1},
    ],
)
def test_values_out_of_range_are_named(arguments):
    with pytest.raises(InvalidValueError, match=next(iter(arguments))):
        DensityEstimator(**arguments)


def test_a_negative_noise_is_named():
    with pytest.raises(InvalidValueError, match="noise"):
        log_importance(torch.zeros(2), noise=-1, generator=seeded())
