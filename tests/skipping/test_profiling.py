"""With a clock that the network's own layers move on, what is measured is known exactly."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.skipping import SkipGate
from imprint.skipping.profiling import _fastest, _Times, profile, unchanged
from imprint.taps import timing

LABELS = torch.tensor([0, 1] * 8)
IMAGES = torch.rand(16, 1, 2, 2, generator=torch.Generator().manual_seed(0))


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


class Tick(torch.autograd.Function):
    """Pass values on, and let the clock go on by a time a row, backwards twice that."""

    @staticmethod
    def forward(ctx, values, clock, seconds):
        ctx.clock, ctx.seconds = clock, seconds
        clock.time += seconds * len(values)
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.clock.time += 2 * ctx.seconds * len(gradient)
        return gradient, None, None


class Slow(nn.Module):
    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def forward(self, values):
        return Tick.apply(values, self.clock, self.seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def model(clock):
    """1 second a row up to `front`, 3 after it; backward takes twice as long."""
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 1), Slow(clock, 1.0), nn.BatchNorm2d(4)),
        *(Slow(clock, 3.0), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 2)),
    )


def test_steps_forward_and_gates_by_hand(model, clock):
    costs = profile(
        model, IMAGES, LABELS, num_classes=2, layers=["1", "3"], keeps=[0.25, 0.75], clock=clock
    )
    assert (costs.forward, costs.whole, costs.plan) == (16 * 4, 16 * 12, 0)
    first, last = costs.gates["1"], costs.gates["3"]
    assert (first.before, last.before) == (16, 64)
    # All 16 rows pass the first layer, 4 or 12 of them the second one.
    assert first.steps == ((0.25, 16 * 3 + 4 * 9), (0.75, 16 * 3 + 12 * 9))
    assert last.steps == ((0.25, 16 * 12), (0.75, 16 * 12))
    assert (first.own, last.own) == (0, 0)
    # What is frozen runs forward alone.
    assert (first.frozen, last.frozen) == (16 * (1 + 9), 16 * 4)


def test_where_nothing_could_freeze_no_time_is_given(clock):
    model = nn.Sequential(Slow(clock, 1.0), nn.Flatten(), nn.Linear(4, 2), nn.Identity())
    costs = profile(model, IMAGES, LABELS, num_classes=2, layers=["0", "3"], clock=clock)
    assert [gate.frozen for gate in costs.gates.values()] == [None, None]


def test_what_watches_the_gate_counts_as_its_own(model, clock):
    def observe(gate):
        assert len(gate.labels) in {8, 16}
        clock.time += 0.5

    costs = profile(
        model, IMAGES, LABELS,
        num_classes=2, layers=["1"], keeps=[0.5], read="1", observe=observe, clock=clock,
    )  # fmt: skip
    assert costs.gates["1"].own == 0.5
    assert costs.gates["1"].steps == ((0.5, 16 * 3 + 8 * 9 + 0.5),)
    assert costs.plan == 0.5


def test_the_gates_own_time_is_what_lies_between_two_hooks(model, clock, monkeypatch):
    choose = SkipGate._choose

    def slowly(gate, maps):
        clock.time += 7.0
        return choose(gate, maps)

    monkeypatch.setattr(SkipGate, "_choose", slowly)
    costs = profile(model, IMAGES, LABELS, num_classes=2, layers=["1"], keeps=[0.5], clock=clock)
    assert costs.gates["1"].own == 7.0
    assert costs.gates["1"].before == 16


def test_keep_ratios_that_come_to_the_same_rows_count_once(model, clock):
    keeps = [0.5, 0.51]
    costs = profile(model, IMAGES, LABELS, num_classes=2, layers=["1"], keeps=keeps, clock=clock)
    assert len(costs.gates["1"].steps) == 1


def test_precision_is_asked_for_each_forward_pass(model, clock):
    asked = []

    def autocast():
        asked.append(1)
        return torch.autocast("cpu", torch.bfloat16)

    profile(model, IMAGES, LABELS, num_classes=2, autocast=autocast, seconds=0, clock=clock)
    assert len(asked) == 3 * (timing.FEWEST + 1)  # plain, forward, plan; a first round to warm up


def record(model, optimizer):
    """All that may not change, copied."""
    return deepcopy(
        {
            "weights": [weight.detach() for weight in model.parameters()],
            "gradients": [weight.grad for weight in model.parameters()],
            "buffers": list(model.buffers()),
            "modes": [module.training for module in model.modules()],
            "optimizer": optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "hooks": [len(module._forward_hooks) for module in model.modules()],
        }
    )


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def trained(model, kind):
    """An optimizer with a state, and gradients that are not yet used."""
    optimizer = kind(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        model(IMAGES).square().sum().backward()
        optimizer.step()
    model[2].eval()
    return optimizer


OPTIMIZERS = [torch.optim.AdamW, lambda weights, **given: torch.optim.SGD(weights, 0.1, 0.9)]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_nothing_is_changed(model, clock, kind):
    optimizer = trained(model, kind)
    before = record(model, optimizer)
    gradients = [weight.grad for weight in model.parameters()]
    profile(
        model, IMAGES, LABELS, num_classes=2, layers=["1"], optimizer=optimizer, read="3",
        clock=clock,
    )  # fmt: skip
    assert same(record(model, optimizer), before)
    assert all(w.grad is g for w, g in zip(model.parameters(), gradients, strict=True))


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("calls", [0, 1, 9])
def test_nothing_is_changed_after_an_error(model, clock, kind, calls):
    optimizer = trained(model, kind)
    before = record(model, optimizer)
    left = [calls]

    def observe(gate):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(
            model, IMAGES, LABELS, num_classes=2, layers=["1"], optimizer=optimizer, read="3",
            observe=observe, clock=clock,
        )  # fmt: skip
    assert same(record(model, optimizer), before)


def test_weights_that_a_step_moved_are_put_back():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = record(model, optimizer)
    with unchanged(model, optimizer):
        assert optimizer.param_groups[0]["lr"] == 0
        with torch.no_grad():
            model.weight.add_(1)
    assert same(record(model, optimizer), before)


def test_of_each_part_the_fastest_turn_counts():
    turns = [_Times(3.0, 2.0, 0.5, (1.0, 9.0)), _Times(4.0, 1.0, 0.5, (2.0, 8.0))]
    assert _fastest(turns) == (3.0, 1.0, 0.5, (1.0, 8.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keeps": [0.5, 1.0]}, r"keeps: expected shares in \(0, 1\), got 1.0"),
        ({"keeps": [0.0]}, r"keeps: expected shares in \(0, 1\), got 0.0"),
        ({"labels": LABELS[:3]}, "labels: expected 16, one an image, got 3"),
    ],
)
def test_values_out_of_range(model, clock, wrong, message):
    given = {"images": IMAGES, "labels": LABELS, "num_classes": 2, "clock": clock, **wrong}
    with pytest.raises(InvalidValueError, match=message):
        profile(model, **given)


def test_a_layer_that_is_missing(model, clock):
    with pytest.raises(LayerError, match="'9'"):
        profile(model, IMAGES, LABELS, num_classes=2, layers=["9"], clock=clock)
