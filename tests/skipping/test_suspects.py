from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from imprint import SkipPlan, Suspects
from imprint.data import load
from imprint.errors import InvalidValueError
from imprint.skipping.levels import HELD, loss_of_level
from imprint.skipping.shares import PLANS, count_covering, shares_sparing_held
from imprint.skipping.suspects import LIMIT, PACE, closest_others, margins
from imprint.training import TrainSettings, train


@given(seed=st.integers(0, 1000), rows=st.integers(1, 6), classes=st.integers(2, 5))
def test_a_margin_is_what_a_loop_over_the_classes_finds(seed, rows, classes):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    for row, label in enumerate(labels.tolist()):
        others = {k: float(scores[row, k]) for k in range(classes) if k != label}
        assert margins(scores, labels)[row] == scores[row, label] - max(others.values())
        assert int(closest_others(scores, labels)[row]) == max(others, key=others.get)


def test_looks_add_up_from_nothing_and_a_nan_tells_nothing():
    suspects = Suspects(4)
    ones = torch.ones(2, dtype=torch.int64)
    suspects.record(torch.tensor([1, 3]), torch.tensor([[0.0, 50.0]] * 2), ones)  # the same class
    index, labels = torch.tensor([2, 0]), torch.tensor([1, 0])
    logits = torch.tensor([[50.0, 0.0], [torch.nan, 0.0]])
    expected = 0.0
    for look in range(1, 4):
        found = suspects.record(index, logits, labels)
        expected += PACE * (-1 - expected)
        assert found.tolist() == [look > 1, False]
        assert suspects.margins.tolist() == pytest.approx([0, PACE, expected, PACE], abs=1e-3)
    assert suspects.closest.tolist() == [-1, 0, 0, 0]
    assert suspects.labels.tolist() == [-1, 1, 1, 1]
    for _ in range(3):  # it can be cleared again
        suspects.record(torch.tensor([2]), -logits[:1], torch.tensor([1]))
    assert suspects.places().tolist() == []


@given(seed=st.integers(0, 1000), classes=st.integers(2, 4))
def test_suspects_fall_below_the_limit_or_as_far_below_their_class(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    suspects, labels = Suspects(12, limit=-0.2), torch.randint(classes, (12,), generator=generator)
    for _ in range(6):
        index = torch.randperm(12, generator=generator)[:5]
        logits = 4 * torch.randn(5, classes, generator=generator)
        flags = suspects.record(index, logits, labels[index])
    for other in (suspects, again := Suspects(12, limit=-0.2)):
        again.load_state_dict(suspects.state_dict())
        expected = set()
        for k in range(classes):
            own = [i for i in range(12) if other.closest[i] >= 0 and labels[i] == k]
            values = [float(other.margins[i]) for i in own]
            limit = -0.2 + min(0.0, sum(values) / max(1, len(values)))
            expected |= {i for i, value in zip(own, values, strict=True) if value < limit}
        assert set(other.places().tolist()) == expected
        assert other.among(index).tolist() == flags.tolist()
        assert flags.tolist() == [int(i) in expected for i in index]


def test_a_class_that_is_not_learned_yet_is_not_under_suspicion():
    suspects, labels = Suspects(100), torch.arange(100) % 10
    always_the_first = 9.0 * F.one_hot(torch.zeros(100, dtype=torch.int64), 10).float()
    for _ in range(9):
        assert not suspects.record(torch.arange(100), always_the_first, labels).any()
    right = 9.0 * F.one_hot(labels, 10).float()
    right[33] = always_the_first[33]
    for _ in range(9):
        suspects.record(torch.arange(100), right, labels)
    assert suspects.places().tolist() == [33]


def test_state_goes_over_whole_or_not_at_all():
    suspects, other = Suspects(3, limit=-0.1), Suspects(3, limit=-0.1)
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
    suspects.record(torch.tensor([1, 2]), logits, torch.tensor([1, 1]))
    other.load_state_dict(suspects.state_dict())
    assert other.places().tolist() == [1]
    assert other.closest.tolist() == [-1, 0, 0]
    with pytest.raises(InvalidValueError, match="state: expected"):
        Suspects(4).load_state_dict(suspects.state_dict())
    halves = suspects.state_dict()
    with pytest.raises(InvalidValueError, match=r"state: expected .*float16.*got .*float32"):
        other.load_state_dict(halves | {"margins": halves["margins"].float()})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Suspects(3, limit=-0.999), r"limit: expected a margin in \(-0.99, 0\)"),
        (
            lambda: Suspects(3).record(torch.tensor([1]), torch.rand(1, 2), [0]),
            r"labels: expected \(1,\).*got list",
        ),
        (
            lambda: Suspects(3).record(torch.tensor([1]), [[0.0, 1.0]], torch.tensor([0])),
            "logits: expected a tensor of real numbers, got list",
        ),
        (lambda: Suspects(0), "count: expected at least 1, got 0"),
        (lambda: Suspects(3, limit=0.0), r"limit: expected a margin in \(-0.99, 0\), got 0.0"),
        (lambda: margins(torch.rand(2, 1), torch.tensor([0, 0])), r"K above 1.*got \(2, 1\)"),
        (lambda: margins(torch.rand(2, 3), torch.tensor([0])), r"got \(2, 3\) and \(1,\)"),
        (lambda: margins(torch.rand(1, 3), torch.tensor([0.0])), "of integers; got .*float32"),
        (
            lambda: Suspects(3).record(torch.tensor([1]), torch.rand(2), torch.tensor([0])),
            r"got \(2,\) and \(1,\)",
        ),
        (
            lambda: margins(torch.rand(1, 3), torch.tensor([3])),
            "labels: expected values in 0 … 2, got 3 … 3",
        ),
        (
            lambda: Suspects(3).record(torch.tensor([1, 2]), torch.rand(2, 2), torch.tensor([0])),
            r"labels: expected \(2,\), one for each of index; got \(1,\)",
        ),
        (
            lambda: Suspects(3).record(torch.tensor([3]), torch.rand(1, 2), torch.tensor([0])),
            "index: expected places in 0 … 2",
        ),
        (lambda: SkipPlan(3, epochs=2).hold_back(torch.tensor([3])), "index: expected places"),
        (
            lambda: TrainSettings(skip="orderdp", hold_suspects=True),
            "hold_suspects: expected False without a plan of ours .* beside skip orderdp",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(InvalidValueError, match=message):
        call()


@pytest.mark.parametrize("rule", PLANS)
@pytest.mark.parametrize("keep", [0.4, 0.9])
def test_a_plan_loads_those_held_back_only_when_no_others_are_left(rule, keep):
    plan = SkipPlan(100, keep=keep, epochs=300, rule=rule, dense_start=0)
    plan.note(torch.arange(100), torch.linspace(0.1, 5, 100))
    held = torch.arange(70, 100)  # of the highest losses
    plan.hold_back(held)
    kept = plan.kept()
    assert int(kept.sum()) == round(100 * keep)
    assert int(kept[held].sum()) == max(0, round(100 * keep) - 70)


class Second(NamedTuple):
    """One of two ranks."""

    rank: int = 1
    size: int = 2


def test_a_rank_holds_back_its_own():
    plan = SkipPlan(20, keep=0.5, epochs=300, dense_start=0, ranks=Second())
    plan.note(torch.arange(1, 20, 2), torch.ones(10))
    plan.hold_back(torch.tensor([1, 5, 9, 13, 17]))
    assert sorted(plan) == [3, 7, 11, 15, 19]
    with pytest.raises(InvalidValueError, match="expected places of rank 1 of 2, got 4"):
        plan.hold_back(torch.tensor([4]))


def test_no_rule_wants_those_held_back():
    held = torch.tensor([HELD], dtype=torch.uint8)
    assert loss_of_level(held).tolist() == [0.0]
    counts = torch.zeros(256, dtype=torch.int64)
    counts[0], counts[HELD] = 10, 10
    assert PLANS["imprint"](counts, 10)[[0, HELD]].tolist() == [1.0, 0.0]


def test_those_held_back_have_their_turn_and_a_record_lets_them_go():
    plan = SkipPlan(20, keep=0.5, epochs=300, dense_start=0, readmit=8)
    plan.hold_back(torch.arange(5))
    seen = set()
    for _ in range(12):
        rows = torch.tensor(list(plan))
        plan.record(rows, torch.ones(len(rows)))
        seen |= set(rows.tolist())
    assert seen == set(range(20))
    assert HELD not in plan.state_dict()["levels"].tolist()


def test_what_is_held_back_does_not_count_as_loss():
    counts = torch.zeros(256, dtype=torch.int64)
    counts[150], counts[HELD] = 100, 900
    assert count_covering(counts, 1.0) == 100
    assert float((shares_sparing_held(PLANS["top"], counts, 500) * counts).sum()) == pytest.approx(
        500
    )


def test_finds_the_wrong_labels_among_mnist():
    """The point: planted wrong labels are found, and hardly any others."""
    data = load("mnist")
    generator = torch.Generator().manual_seed(0)
    part = torch.randperm(60_000, generator=generator)[:8_000]
    true = data.train.labels[part]
    wrong = torch.rand(len(part), generator=generator) < 0.2
    steps = torch.randint(1, 10, (len(part),), generator=generator)
    noisy = replace(data.train, images=data.train.images[part], labels=(true + steps * wrong) % 10)
    test = replace(data.test, images=data.test.images[:100], labels=data.test.labels[:100])
    settings = TrainSettings(
        skip="imprint", hold_suspects=True, epochs=8, batch_size=64, familiarity=False, device="cpu"
    )
    found = train(replace(data, train=noisy, test=test), settings)["suspects"]
    index = torch.tensor(found["index"])
    assert wrong[index].double().mean() > 0.8
    assert wrong[index].sum() > 0.8 * wrong.sum()
    named = torch.tensor(found["closest"]) == true[index]
    assert named[wrong[index]].double().mean() > 0.9
    assert found["margin"] == sorted(found["margin"])
    assert max(found["margin"]) < LIMIT
