import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError
from imprint.training import TrainSettings
from imprint.training.optimizers import build_optimizer, build_schedule

STEPS = 100


def rates(schedule, optimizer="sgd", steps=STEPS):
    settings = TrainSettings(schedule=schedule, optimizer=optimizer, lr=0.8)
    built = build_optimizer(nn.Linear(2, 2), settings)
    scheduler = build_schedule(built, settings, steps)
    values = []
    for _ in range(steps):
        values.append(built.param_groups[0]["lr"])
        built.step()
        scheduler.step()
    return values


def test_constant_stays():
    assert rates("constant") == [0.8] * STEPS


def test_cosine_follows_its_formula():
    expected = [0.4 * (1 + math.cos(math.pi * t / STEPS)) for t in range(STEPS)]
    assert rates("cosine") == pytest.approx(expected, abs=1e-9)


def test_step_falls_at_a_half_and_three_quarters():
    assert rates("step") == pytest.approx([0.8] * 50 + [0.08] * 25 + [0.008] * 25)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_one_cycle_rises_and_falls_once(optimizer):
    values = rates("one-cycle", optimizer)
    top = values.index(max(values))
    assert max(values) == pytest.approx(0.8, rel=1e-3)
    assert values[0] < 0.1 * 0.8
    assert values[-1] < 0.01 * 0.8
    assert all(a <= b for a, b in pairwise(values[: top + 1]))
    assert all(a >= b for a, b in pairwise(values[top:]))


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step", "constant"])
def test_a_run_of_one_step_works(schedule):
    assert len(rates(schedule, steps=1)) == 1


def test_biases_and_frozen_weights_are_not_decayed():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    model[2].requires_grad_(requires_grad=False)
    decayed, rest = build_optimizer(model, TrainSettings()).param_groups
    assert [p is model[0].weight for p in decayed["params"]] == [True]
    assert rest["weight_decay"] == 0
    assert len(rest["params"]) == 3
    assert isinstance(build_optimizer(model, TrainSettings(optimizer="adamw")), torch.optim.AdamW)


def test_a_network_with_nothing_to_train_is_told():
    with pytest.raises(InvalidValueError, match="model: expected at least one parameter to train"):
        build_optimizer(nn.Flatten(), TrainSettings())


def test_a_fused_optimizer_gives_way_where_scaled_gradients_are_clipped():
    model = nn.Linear(2, 2)
    for optimizer in ("sgd", "adamw"):
        for precision, clip, fused in (("32", 1.0, True), ("16", None, True), ("16", 1.0, False)):
            settings = TrainSettings(optimizer=optimizer, precision=precision, clip=clip)
            assert build_optimizer(model, settings).defaults["fused"] == fused
