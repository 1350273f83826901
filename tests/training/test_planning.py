from dataclasses import replace

import pytest
import torch
from torch import nn

from imprint.data import LoaderBatches
from imprint.errors import InvalidValueError, LayerError, RunExistsError
from imprint.runs import read_json
from imprint.skipping.costs import EpochCosts, GateCosts, StepCosts
from imprint.training import TrainSettings, plan_skip, planning
from imprint.training.planning import _recommendation, _result

SETTINGS = TrainSettings(model="conv4", batch_size=64, epochs=4, dense_start=0.25, device="cpu")


def test_a_prediction_for_each_place_and_keep_ratio(splits, tmp_path):
    result = plan_skip(splits, SETTINGS, keeps=[0.5, 0.25], layers=["block1"], out=tmp_path / "r")
    places = [(row["tier"], row["layer"], row["keep"]) for row in result["predictions"]]
    assert places == [
        *(("plan", None, 0.25), ("plan", None, 0.5)),
        *(("gate", "block1", 0.25), ("gate", "block1", 0.5)),
    ]
    assert read_json(tmp_path / "r/result.json") == result
    assert read_json(tmp_path / "r/config.json")["keeps"] == [0.25, 0.5]


def test_layers_are_found_where_none_are_named(splits):
    layers = [row["layer"] for row in plan_skip(splits, SETTINGS, keeps=[0.5])["layers"]]
    assert "block2" in layers  # the usual one of this network
    assert len(layers) <= 13
    before = [row["before_share"] for row in plan_skip(splits, SETTINGS, keeps=[0.5])["layers"]]
    assert len(before) >= 2


def test_a_layer_that_is_named_twice_counts_once(splits):
    result = plan_skip(splits, SETTINGS, keeps=[0.5], layers=["block2", "block2"])
    assert [row["layer"] for row in result["layers"]] == ["block2"]


def test_batches_of_a_loader_overlap_with_steps(splits, monkeypatch):
    def batches_of(images, size, scale, **given):
        return LoaderBatches(images, size, scale, **given)

    assert not plan_skip(splits, SETTINGS, layers=["block1"])["load_overlaps"]
    monkeypatch.setattr(planning, "batches_of", batches_of)
    assert plan_skip(splits, SETTINGS, layers=["block1"])["load_overlaps"]


def test_the_global_random_state_is_left_as_it_was(splits):
    before = torch.get_rng_state()
    plan_skip(splits, SETTINGS, layers=["block1"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("keeps", [[], [0.5, 1.0], [0.0], [float("nan")]])
def test_keep_ratios_out_of_range(splits, keeps, tmp_path):
    with pytest.raises(InvalidValueError, match="keeps: expected shares in"):
        plan_skip(splits, SETTINGS, keeps=keeps, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_steps_that_shrink_are_not_predicted(splits):
    with pytest.raises(InvalidValueError, match=r"batch_shrink: expected 0, .*got 0.5"):
        plan_skip(splits, TrainSettings(batch_shrink=0.5, device="cpu"))


def test_mistakes_come_before_the_folder(splits, tmp_path):
    with pytest.raises(LayerError, match="'block9'"):
        plan_skip(splits, SETTINGS, layers=["block9"], out=tmp_path / "r")
    with pytest.raises(InvalidValueError, match="batch_size: expected 1 … 154, the samples"):
        plan_skip(splits, replace(SETTINGS, batch_size=200), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note.txt").touch()
    with pytest.raises(RunExistsError):
        plan_skip(splits, SETTINGS, layers=["block1"], out=tmp_path / "full")


def costs(before=0.1, load=0.0, plan=0.0, cut=0.3):
    """A step of a second; with a gate at `a`, its part behind the layer shrinks."""
    gate = GateCosts(before=before / 3, own=0.01, steps=((0.3, before + 0.01 + cut),))
    step = StepCosts(forward=1 / 3, whole=1.0, plan=plan, gates={"a": gate})
    return EpochCosts(rows=1000, batch_size=10, step=step, load=load)


def sums(splits, made, **given):
    settings = replace(SETTINGS, **given)
    return _result(made, splits, settings, given.get("keeps", [0.3, 0.5]))


def test_the_plan_is_recommended_where_it_saves_more(splits):
    result = sums(splits, costs())
    chosen = result["recommended"]
    assert (chosen["tier"], chosen["layer"], chosen["keep"]) == ("plan", None, 0.5)
    assert chosen["time_saved"] == pytest.approx(0.375)  # half of three epochs in four
    assert result["reason"].startswith("plan, keep 0.5: saves 38 % of the training time; a gate at")


def test_a_gate_is_recommended_where_a_plan_costs_more(splits):
    result = sums(splits, costs(plan=0.8))
    assert (result["recommended"]["tier"], result["recommended"]["layer"]) == ("gate", "a")
    assert result["reason"].startswith("gate at a, keep 0.5: saves ")


def test_a_gate_beside_the_plan_that_gains_nothing_says_why(splits):
    said = sums(splits, costs(before=0.95, cut=0.02))["reason"]
    assert said.endswith("a gate gains nothing, because a lies too deep: 95 % of the forward pass "
                         "is done by then")  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 1}, "100 % of the images are trained on all the same"),
        ({"dense_start": 0.92, "epochs": 25}, "96 % of the images are trained on all the same"),
    ],
)
def test_no_gain_says_why(splits, given, said):
    result = sums(splits, costs(), **given)
    assert result["recommended"] is None
    assert result["reason"] == f"no gain here, because {said}"
    assert {row["why_no_gain"] for row in result["predictions"] if row["keep"] == 0.5} == {said}


def test_where_there_is_a_gain_nothing_stands_in_its_way(splits):
    assert {row["why_no_gain"] for row in sums(splits, costs())["predictions"]} == {None}


@pytest.mark.parametrize(("asked", "nearest"), [(0.1, 0.3), (0.45, 0.5), (1.0, 0.7)])
def test_recommends_for_the_nearest_keep_ratio(asked, nearest):
    rows = [
        {"tier": "plan", "layer": None, "keep": keep, "time_saved": 1 - keep, "why_no_gain": None}
        for keep in (0.3, 0.5, 0.7)
    ]
    chosen, said = _recommendation(rows, asked)
    assert chosen == {"tier": "plan", "layer": None, "keep": nearest, "time_saved": 1 - nearest}
    assert said == f"plan, keep {nearest}: saves {100 * (1 - nearest):.0f} % of the training time"


def test_a_network_without_a_layer_for_a_gate_is_still_planned_for(splits, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "build_model", lambda *_, **__: Whole())
    result = plan_skip(splits, replace(SETTINGS, model="mine.py:Whole"), keeps=[0.5])
    assert result["layers"] == []
    assert [row["tier"] for row in result["predictions"]] == ["plan"]


class Whole(nn.Module):
    """All in one: it has no layers by name."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(256, 4))

    def forward(self, images):
        return images.flatten(1) @ self.weight
