import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.callbacks.step import SkipStep
from imprint.errors import InvalidValueError
from imprint.skipping import HistoryPlan, SkipGate, SkipPlan
from imprint.skipping.plan import loss_to_level


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def begun(*arguments, **named):
    """A plan whose first epoch, which loads everything, is under way."""
    plan = SkipPlan(*arguments, **named)
    plan.kept()
    return plan


def gate_of(model, **arguments):
    return SkipGate(model, **{"layer": "0", "num_classes": 2, "keep": 0.5, **arguments})


def take(skip, model, index, labels):
    inputs = torch.rand(len(labels), 3, generator=torch.Generator().manual_seed(1))
    with skip(labels):
        logits = model(inputs)
    losses = F.cross_entropy(logits, skip.labels, reduction="none")
    return losses, skip.mean(losses, index)


def test_a_gate_gives_the_mean_over_the_rows_that_stayed(model):
    skip = SkipStep(gate_of(model))
    labels = torch.arange(8) % 2
    losses, mean = take(skip, model, None, labels)
    assert len(losses) == 4
    assert torch.equal(mean, losses.mean())
    assert torch.equal(skip.labels, labels[skip.gate.index])
    assert (skip.seen, skip.kept) == (8, 4)


def test_a_plan_is_told_each_rows_loss(model):
    plan = begun(10, keep=0.5, epochs=2)
    skip = SkipStep(plan=plan)
    index = torch.tensor([7, 2, 9])
    losses, mean = take(skip, model, index, torch.tensor([0, 1, 1]))
    assert torch.equal(mean, losses.mean())
    levels = torch.full((10,), 255, dtype=torch.uint8)
    levels[index] = loss_to_level(losses.detach())
    assert torch.equal(plan.state_dict()["levels"], levels)


def test_beside_a_gate_a_plan_is_told_what_the_gate_knew_of_rows_that_left(model):
    plan = begun(10, keep=0.5, epochs=2)
    skip = SkipStep(gate_of(model), plan=plan)
    index = torch.tensor([7, 2, 9, 0])
    losses, _ = take(skip, model, index, torch.tensor([0, 1, 1, 0]))
    levels = torch.full((10,), 255, dtype=torch.uint8)
    levels[index] = loss_to_level(skip.gate.scores)  # the probe's losses
    levels[index[skip.gate.index]] = loss_to_level(losses.detach())
    assert torch.equal(plan.state_dict()["levels"], levels)


def test_where_no_row_stayed_the_mean_is_zero_and_gives_zero_gradients(model):
    skip = SkipStep(plan=begun(4, keep=1, epochs=1))
    with skip(torch.empty(0, dtype=torch.int64)):
        losses = model(torch.empty(0, 3)).sum(1)
    mean = skip.mean(losses, torch.empty(0, dtype=torch.int64))
    mean.backward()
    assert mean == 0
    assert all(not parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize("asks_for_more", [True, False])
def test_an_epoch_of_the_plan_ends_once_whether_or_not_the_loader_asks_for_more(asks_for_more):
    plan, twin = (begun(10, keep=0.5, epochs=4, dense_start=0) for _ in range(2))
    skip = SkipStep(plan=plan)
    skip.begin(torch.device("cpu"))
    for _ in range(3):
        rows = iter(plan)
        index = torch.tensor([next(rows) for _ in range(5)])
        assert index.tolist() == list(twin)
        with skip(torch.zeros(5, dtype=torch.int64)):
            pass
        skip.mean(torch.rand(5, generator=torch.Generator().manual_seed(0)), index)
        twin.record(index, torch.rand(5, generator=torch.Generator().manual_seed(0)))
        if asks_for_more:
            assert next(rows, None) is None
        skip.end_epoch()
    for name, value in twin.state_dict().items():
        assert torch.equal(value, plan.state_dict()[name]), name


def test_a_loader_that_read_ahead_does_not_skip_an_epoch_of_the_plan():
    plan = begun(10, keep=0.5, epochs=4)
    skip = SkipStep(plan=plan)
    skip.begin(torch.device("cpu"))
    assert len([*plan, *plan]) == 15  # one that was thrown away, and the one that is trained on
    skip.end_epoch()
    assert plan.epoch == 1


def test_the_state_of_both_goes_round(model):
    plan = begun(10, keep=0.5, epochs=2)
    skip = SkipStep(gate_of(model), plan=plan)
    take(skip, model, torch.arange(4), torch.arange(4) % 2)
    plan.epoch = 1
    other = SkipStep(gate_of(model), plan=begun(10, keep=0.5, epochs=2))
    other.load_state_dict(skip.state_dict())
    other.begin(torch.device("cpu"))
    assert other.state_dict().keys() == skip.state_dict().keys()
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in skip.state_dict().items())


def test_misuse_is_refused(model):
    with pytest.raises(InvalidValueError, match="got neither"):
        SkipStep()
    with pytest.raises(InvalidValueError, match=r"expected a SkipPlan .* got HistoryPlan"):
        SkipStep(plan=HistoryPlan(10, keep=0.5, epochs=2, rule="infobatch"))
    skip = SkipStep(gate_of(model), plan=begun(10, keep=0.5, epochs=2))
    with pytest.raises(InvalidValueError, match="expected a block"):
        _ = skip.labels
    labels = torch.arange(4) % 2
    with pytest.raises(InvalidValueError, match=r"index: expected \(4,\) for the plan, got none"):
        take(skip, model, None, labels)
    with pytest.raises(InvalidValueError, match=r"expected \(4,\) for the plan, got \(3,\)"):
        take(skip, model, torch.arange(3), labels)
    with pytest.raises(InvalidValueError, match=r"losses: expected \(2,\).*got \(\)"):
        skip.mean(torch.tensor(1.0), torch.arange(4))
    fresh = SkipStep(gate_of(model))
    with pytest.raises(InvalidValueError, match="expected this; nothing would be skipped"):
        fresh.check_used("this")
