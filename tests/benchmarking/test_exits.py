import copy

import pytest
import torch
from torch import nn

from imprint.benchmarking import EXIT_METHODS, bench_exits
from imprint.data import load, normalisation, normalise
from imprint.early_exit.published import ClassMeans, FinalConfidence, SignatureCache, TrainedExit
from imprint.errors import InvalidValueError
from imprint.memory import ClassMemory
from imprint.models import build_model
from imprint.signatures import signature
from imprint.similarity import cosine_similarity


@pytest.fixture(scope="module")
def parts():
    """MNIST in batches: to fit on, to tune on, to measure on."""
    splits = load("mnist")
    scale = normalisation(splits.train.images)

    def batches(part, rows):
        images, labels = normalise(part.images[rows], scale), part.labels[rows]
        return list(zip(images.split(200), labels.split(200), strict=True))

    order = torch.randperm(10000, generator=torch.Generator().manual_seed(0))
    return (
        batches(splits.train, torch.arange(4000)),
        batches(splits.test, order[:2000]),
        batches(splits.test, order[2000:2800]),
    )


def trained(network, parts):
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for images, labels in [*parts[0]] * 4:
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def model(parts):
    return trained(build_model("paper", (1, 28, 28), 10), parts)


@pytest.fixture(scope="module")
def result(model, parts):
    return bench_exits(model, *parts, layers=["pool1", "pool2"], max_extra_error=0.01)


def test_every_method_has_its_row_and_its_curve(result):
    assert [row["method"] for row in result["methods"]] == list(EXIT_METHODS)
    assert list(result["layers"]) == ["pool1", "pool2"]
    assert 0.9 < result["full_accuracy"] < 1
    for row in result["methods"]:
        times = [point["time"] for point in row["curve"]]
        assert times == sorted(times, reverse=True)
        for point in row["curve"]:
            expected = result["full_accuracy"] - point["extra_error"]
            assert point["accuracy"] == pytest.approx(expected)


def test_what_keeps_the_limit_loses_little_on_other_images(result):
    kept = {row["method"]: row["at_limit"] for row in result["methods"] if row["at_limit"]}
    assert "imprint-mlp" in kept
    for point in kept.values():
        assert point["extra_error"] < 0.03


def test_heads_that_see_places_know_more_early(result):
    best = {
        row["method"]: max(
            (own["accuracy"] for own in row["curve"] if own["time"] < 0.999), default=0.0
        )
        for row in result["methods"]
    }
    assert best["imprint-mlp"] >= best["park-kim"] - 0.02


def test_a_smaller_network_is_asked_first_as_well(model, parts):
    small = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Linear(784, 10))
    small = trained(small, parts).train()
    before = copy.deepcopy(small.state_dict())
    found = bench_exits(
        model, *parts, layers=["pool2"], methods=["imprint-probe"], smaller={"linear": small},
        max_extra_error=0.01,
    )  # fmt: skip
    alone, both, plain = found["methods"]
    assert both["method"] == "linear, then imprint-probe"
    assert (plain["method"], plain["layers"]) == ("linear's confidence", ["first network"])
    assert plain["at_limit"]["time"] < 1
    assert plain["at_limit"]["extra_error"] < 0.03
    assert "first network" in both["layers"]
    assert both["at_limit"]["time"] < alone["at_limit"]["time"] if alone["at_limit"] else True
    assert both["at_limit"]["extra_error"] < 0.03
    assert found["smaller"][0]["accuracy"] < found["full_accuracy"] - 0.03
    assert small.training
    assert all(value.equal(before[name]) for name, value in small.state_dict().items())


def test_a_smaller_network_of_other_classes_is_told_before_long_work(model, parts):
    other = nn.Sequential(nn.Flatten(), nn.Linear(784, 9))
    with pytest.raises(InvalidValueError, match=r"expected logits \(2, 10\), as of the model"):
        bench_exits(model, *parts, layers=["pool1"], smaller={"other": other}, on_stage=pytest.fail)


def test_the_model_is_left_as_it_was(model, parts):
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    bench_exits(
        model, parts[0][:2], parts[1][:1], parts[2][:1],
        layers=["pool1"], methods=["branchynet", "e2cm"],
    )  # fmt: skip
    assert all(value.equal(weights[name]) for name, value in model.state_dict().items())
    assert torch.get_rng_state().equal(state)
    assert not any(module._forward_hooks for module in model.modules())


def clouds():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    maps = torch.rand(60, 4, 5, 5, generator=generator) + labels[:, None, None, None]
    return maps, labels


def test_e2cm_answers_by_the_nearest_mean_whatever_the_batches():
    maps, labels = clouds()
    whole, parts = ClassMeans(3), ClassMeans(3)
    whole.learn(maps, labels)
    for some in torch.arange(60).split(7):
        parts.learn(maps[some], labels[some])
    means = torch.stack([maps[labels == k].mean(0) for k in range(3)])
    distance = (maps[:, None] - means[None]).flatten(2).norm(dim=2)
    assert whole.answer(maps).labels.equal(distance.argmin(1))
    torch.testing.assert_close(whole.answer(maps).sureness, parts.answer(maps).sureness)
    scaled = (-distance / distance.mean(1, keepdim=True)).softmax(1).amax(1)
    torch.testing.assert_close(whole.answer(maps).sureness, scaled, rtol=1e-4, atol=1e-4)


def test_the_cache_is_the_papers():
    maps, labels = clouds()
    method, memory = SignatureCache(3), ClassMemory(3)
    method.learn(maps, labels)
    memory.update(signature(maps), labels)
    similarity = cosine_similarity(signature(maps), memory.prototypes)
    own = method.answer(maps)
    assert own.labels.equal(similarity.argmax(1))
    torch.testing.assert_close(own.sureness, similarity.amax(1) - memory.thresholds[own.labels])


def test_a_branch_learns_and_repeats():
    maps, labels = clouds()
    twins = [TrainedExit(3, seed=1) for _ in range(2)]
    for twin in twins:
        for _ in range(300):
            twin.learn(maps, labels)
    one, other = (twin.answer(maps) for twin in twins)
    assert one.sureness.equal(other.sureness)
    assert (one.labels == labels).double().mean() > 0.85
    assert (one.sureness <= 0).all()


def test_plain_confidence_is_the_largest_softmax_at_the_end():
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    own = FinalConfidence(nn.Identity()).answer(logits)
    assert own.labels.equal(logits.argmax(1))
    softmax = logits.double().exp() / logits.double().exp().sum(1, keepdim=True)
    torch.testing.assert_close(own.sureness.double().sigmoid(), softmax.amax(1))


def test_plain_confidence_keeps_apart_what_a_softmax_rounds_to_1():
    logits = torch.tensor([[17.0, 0.0], [18.0, 0.0], [40.0, 0.0]])
    assert (logits.softmax(1).amax(1) == 1).sum() >= 2
    assert FinalConfidence(nn.Identity()).answer(logits).sureness.tolist() == [17, 18, 40]


def test_an_unknown_method_is_told():
    with pytest.raises(InvalidValueError, match=r"methods: expected imprint-mlp, .* got 'hope'"):
        bench_exits(nn.Flatten(), [], [], [], methods=["hope"])


@pytest.mark.parametrize("shape", [(60, 4), (60, 5, 4)])
def test_a_branch_takes_maps_alone(shape):
    with pytest.raises(InvalidValueError, match=r"expected maps \(N, C, H, W\) for branchynet"):
        TrainedExit(3).learn(torch.rand(shape), torch.arange(60) % 3)
