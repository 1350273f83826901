from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping.costs import (
    EpochCosts,
    GateCosts,
    StepCosts,
    gated_step,
    obstacle,
    predicted_saving,
)
from imprint.skipping.plan import SkipPlan

GATE = GateCosts(before=0.02, own=0.03, steps=((0.25, 0.11), (0.75, 0.21)))
STEP = StepCosts(forward=0.1, whole=0.3, plan=0.01, gates={"a": GATE})
COSTS = EpochCosts(rows=1000, batch_size=100, step=STEP, load=0.1, start=0.5, choose=0.2)
"""A plain epoch: 0.5 + 10 batches of 0.4 seconds = 4.5 seconds."""


def test_a_plan_by_hand():
    # One dense epoch of 0.5 + 10 * 0.41, three of 0.5 + 0.2 + 5 * 0.41; plain: four of 4.5.
    expected = 1 - (4.6 + 3 * 2.75) / 18
    saved = predicted_saving(COSTS, keep=0.5, epochs=4, dense_start=0.25)
    assert saved == pytest.approx(expected)


def test_a_gate_by_hand():
    # A dense epoch of 0.5 + 10 * (0.1 + 0.33), and one of 0.5 + 10 * (0.1 + 0.16).
    saved = predicted_saving(COSTS, keep=0.5, epochs=2, dense_start=0.5, layer="a")
    assert saved == pytest.approx(1 - (4.8 + 3.1) / 9)


def test_a_dense_end_counts_too():
    ends = predicted_saving(COSTS, keep=0.5, epochs=4, dense_start=0, dense_end=0.25)
    assert ends == pytest.approx(predicted_saving(COSTS, keep=0.5, epochs=4, dense_start=0.25))


def test_a_plan_that_is_dense_throughout_saves_less_than_nothing():
    saved = predicted_saving(COSTS, keep=0.5, epochs=1, dense_start=0.1)
    assert saved == pytest.approx(-0.1 / 4.5)


@pytest.mark.parametrize(("keep", "load"), [(0.1, 0.4), (0.5, 0.4), (0.5, 1.0)])
def test_a_gate_saves_nothing_where_the_loader_is_slower_than_the_steps(keep, load):
    slow = replace(COSTS, load=load, overlaps=True)
    assert predicted_saving(slow, keep=keep, epochs=3, dense_start=0, layer="a") == 0
    assert predicted_saving(slow, keep=keep, epochs=3, dense_start=0) > 0.3


@given(rows=st.integers(100, 5000), keep=st.floats(0.1, 1), epochs=st.integers(1, 12))
def test_a_plan_loads_as_many_batches_as_it_is_predicted_to(rows, keep, epochs):
    free = StepCosts(forward=0.1, whole=1.0, plan=0.0, gates={})
    costs = EpochCosts(rows=rows, batch_size=10, step=free, load=0.0)
    plan = SkipPlan(rows, keep=keep, epochs=epochs, batch_size=10)
    batches = sum(plan.count(epoch) // 10 for epoch in range(epochs))
    saved = predicted_saving(costs, keep=keep, epochs=epochs)
    assert saved == pytest.approx(1 - batches / (epochs * (rows // 10)))


@given(
    keep=st.floats(0.02, 0.98),
    more=st.floats(0, 0.02),
    epochs=st.integers(1, 20),
    layer=st.sampled_from([None, "a"]),
    overlaps=st.booleans(),
)
def test_keeping_more_never_saves_more(keep, more, epochs, layer, overlaps):
    costs = replace(COSTS, rows=10_000, overlaps=overlaps)
    fewer = predicted_saving(costs, keep=keep, epochs=epochs, layer=layer)
    assert predicted_saving(costs, keep=keep + more, epochs=epochs, layer=layer) <= fewer + 1e-12
    assert fewer < 1


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.05, 0.07), (0.25, 0.11), (0.5, 0.16), (0.75, 0.21), (0.875, 0.27), (1.0, 0.33)],
)
def test_steps_lie_on_lines_between_what_was_measured(share, expected):
    assert gated_step(GATE, 0.3, share) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [(), ((1.0, 9.0),)])
def test_without_a_measured_cut_a_gate_costs_what_it_adds(steps):
    gate = GateCosts(before=0.02, own=0.03, steps=steps)
    assert gated_step(gate, 0.3, 0.5) == pytest.approx(0.33)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"keep": 0.0}, r"keep: expected a share in \(0, 1\], got 0"),
        ({"layer": "b"}, r"layer: expected one that was measured \(a\), got b"),
        ({"keep": 0.05}, "batch_size: expected 1 … 50, .* at keep 0.05; got 100"),
        ({"dense_start": 2.0}, "dense_start"),
    ],
)
def test_values_out_of_range(wrong, message):
    with pytest.raises(InvalidValueError, match=message):
        predicted_saving(COSTS, **{"keep": 0.5, "epochs": 2, **wrong})


def at(before=0.0, own=0.0, load=0.0, fixed=0.0):
    """Costs of a gate at `a`, in shares of a step's second, that shrink with nothing else."""
    low = before + own + fixed
    steps = tuple((share, low + (1 + own - low) * share) for share in (0.25, 0.75))
    gate = GateCosts(before=before, own=own, steps=steps)
    step = StepCosts(forward=1.0, whole=1.0, plan=0.0, gates={"a": gate})
    return EpochCosts(rows=100, batch_size=10, step=step, load=load)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        (at(before=0.8, own=0.1), "a lies too deep: 80 % of the forward pass is done by then"),
        (at(before=0.3, load=3), "loading takes 75 % of a batch's time, and a gate loads all"),
        (at(before=0.6, load=1), "loading takes 50 % of a batch's time, and a gate loads all"),
        (at(before=0.3, own=0.6), "the gate itself takes 60 % of a step"),
        (at(before=0.1, own=0.1, fixed=0.7), "70 % of a step is paid however few rows pass"),
    ],
)
def test_what_stands_in_a_gates_way(costs, said):
    assert obstacle(costs, layer="a") == said


def test_a_gate_costs_what_its_cut_costs():
    gate = GateCosts(before=0.05, own=0.06, steps=((0.25, 1.0), (0.75, 1.4)))
    step = StepCosts(forward=1.0, whole=1.0, plan=0.0, gates={"a": gate})
    costs = EpochCosts(rows=100, batch_size=10, step=step, load=0.0)
    assert obstacle(costs, layer="a") == "the gate itself takes 60 % of a step"


def test_what_stands_in_a_plans_way():
    slow_start = replace(COSTS, start=12.0)
    assert obstacle(slow_start).startswith("76 % of an epoch is paid however little it loads")
    busy = replace(COSTS, start=0.0, step=replace(STEP, plan=0.2))
    assert obstacle(busy) == "what the plan notes of a batch takes 50 % of its time"
