import math
import pickle
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from imprint.data import indexed, load
from imprint.errors import InvalidValueError, StorageError
from imprint.skipping import PLANS, HistoryPlan, SkipPlan
from imprint.skipping.levels import loss_of_level, loss_to_level


def loaded(plan):
    """One epoch's rows, as a loader would ask for them."""
    return list(plan)


@given(losses=st.lists(st.floats(1e-6, 100), min_size=1, max_size=20))
def test_a_loss_in_a_byte_is_right_to_four_percent(losses):
    given = torch.tensor(losses)
    back = loss_of_level(loss_to_level(given))
    assert ((back / given).log().abs() <= math.log(1e8) / 254 / 2 + 1e-4).all()


def test_levels_keep_the_order_and_know_the_unknown():
    losses = torch.tensor([0.0, 1e-9, 1e-3, 1.0, 1e5, torch.inf, torch.nan])
    levels = loss_to_level(losses)
    assert levels.tolist() == sorted(levels.tolist())
    assert loss_of_level(levels).isinf().tolist() == [False] * 6 + [True]


@pytest.mark.parametrize("rule", PLANS)
@given(
    count=st.integers(1, 300),
    keep=st.floats(0.02, 1),
    seed=st.integers(0, 5),
    values=st.lists(st.sampled_from([0.0, 1e-3, 0.5, 3.0, math.inf, math.nan]), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_an_epoch_loads_exactly_its_share_each_sample_once(rule, count, keep, seed, values):
    plan = SkipPlan(count, keep=keep, epochs=8, rule=rule, dense_start=0, seed=seed)
    for _ in range(4):
        expected = len(plan)
        assert expected == max(1, round(keep * count))
        rows = loaded(plan)
        assert len(rows) == len(set(rows)) == expected
        assert set(rows) <= set(range(count))
        losses = np.resize(np.array(values), len(rows))
        plan.record(torch.tensor(rows), torch.tensor(losses))


def test_dense_epochs_load_everything():
    plan = SkipPlan(50, keep=0.2, epochs=10, dense_start=0.2, dense_end=0.1, rule="random")
    assert [len(loaded(plan)) for _ in range(10)] == [50, 50, *[10] * 7, 50]


@pytest.mark.parametrize("rule", PLANS)
@pytest.mark.parametrize(("keep", "readmit"), [(0.5, 4), (0.5, None), (0.1, 20), (0.3, 8)])
def test_each_sample_comes_back_in_time_however_well_it_is_known(rule, keep, readmit):
    """Half of the samples have a loss of nothing: without turns they would not come back."""
    plan = SkipPlan(100, keep=keep, epochs=200, rule=rule, readmit=readmit, dense_start=0)
    seen = dict.fromkeys(range(100), 0)
    longest = 0
    for epoch in range(1, 101):
        rows = loaded(plan)
        plan.record(torch.tensor(rows), torch.tensor([float(row % 2) * 9 for row in rows]))
        longest = max(longest, *(epoch - seen[row] for row in rows))
        seen |= dict.fromkeys(rows, epoch)
    longest = max(longest, *(101 - last for last in seen.values()))
    assert longest <= (readmit or max(64, 2 * math.ceil(1 / keep)))


def test_what_is_not_known_is_loaded_before_what_is():
    plan = SkipPlan(100, keep=0.5, epochs=10, dense_start=0)
    first = loaded(plan)
    plan.record(torch.tensor(first), torch.full((50,), 1e-5))
    assert set(loaded(plan)) == set(range(100)) - set(first)


def test_the_control_does_not_look_at_losses():
    rows = []
    for loss in (0.0, 9.0):
        plan = SkipPlan(100, keep=0.3, epochs=5, rule="random", seed=3)
        plan.note(torch.arange(100), torch.arange(100) * loss)
        loaded(plan)
        rows.append(loaded(plan))
    assert rows[0] == rows[1]


def test_state_makes_the_same_plan():
    plan, other = (SkipPlan(64, keep=0.25, epochs=9, seed=1) for _ in range(2))
    for _ in range(3):
        rows = torch.tensor(loaded(plan))
        plan.record(rows, torch.rand(len(rows), generator=torch.Generator().manual_seed(2)))
    other.load_state_dict(plan.state_dict())
    assert other.epoch == 3
    assert [loaded(plan) for _ in range(3)] == [loaded(other) for _ in range(3)]


def test_a_pass_that_was_cut_off_is_begun_again():
    plan = SkipPlan(20, keep=0.5, epochs=4, dense_start=0)
    cut = [row for row, _ in zip(plan, range(5), strict=False)]
    assert plan.epoch == 0
    assert loaded(plan)[:5] == cut
    assert loaded(plan)[:5] != cut  # a whole pass ends its epoch when the next begins
    assert plan.epoch == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count, epochs: expected integers of at least 1, got 0, 3"),
        ({"epochs": 0}, "count, epochs"),
        ({"keep": 0.0}, "keep"),
        ({"keep": 1.1}, "keep"),
        ({"rule": "magic"}, "rule: expected one of imprint, top, random, got 'magic'"),
        ({"dense_start": -1}, "dense_start"),
        ({"readmit": 3}, "readmit: expected at least 4 epochs at keep 0.5, got 3"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        SkipPlan(**{"count": 10, "keep": 0.5, "epochs": 3, **arguments})


@pytest.mark.parametrize(
    ("index", "losses", "message"),
    [
        (torch.tensor([10]), torch.ones(1), "places in 0 … 9, got 10 … 10"),
        (torch.tensor([-1]), torch.ones(1), "got -1"),
        (
            torch.tensor([1, 2]),
            torch.ones(1),
            r"losses: expected \(2,\), one for each of index; got \(1,\)",
        ),
        (
            torch.tensor([1.0]),
            torch.ones(1),
            r"index: expected \(B,\) of torch.int64, got \(1,\) of torch.float32",
        ),
        (torch.tensor([True] * 10), torch.ones(10), "got .* torch.bool"),
        (torch.tensor(1), torch.ones(1), r"expected \(B,\)"),
        (None, torch.ones(1), "as imprint.indexed gives them; got NoneType"),
        ([1], torch.ones(1), "as imprint.indexed gives them; got list"),
        (torch.tensor([1]), 0.5, "got one number"),
        (torch.tensor([1]), [0.5], "in a tensor, .* got list"),
        (
            torch.tensor([1, 2]),
            torch.tensor(1.0),
            "each sample's own in a tensor, as reduction='none' gives; got one number",
        ),
        (torch.tensor([4, 2, 4]), torch.ones(3), "each place once in a batch, got 4 again"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_and_changes_nothing(index, losses, message):
    plan = SkipPlan(10, keep=0.5, epochs=3)
    before = plan.state_dict()
    with pytest.raises(InvalidValueError, match=message):
        plan.record(index, losses)
    assert all(torch.equal(before[key], value) for key, value in plan.state_dict().items())
    with pytest.raises(InvalidValueError, match="state: expected"):
        plan.load_state_dict(SkipPlan(11, keep=0.5, epochs=3).state_dict())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_serves_any_data_loader(num_workers):
    dataset = TensorDataset(torch.arange(40.0)[:, None], torch.arange(40) % 2)
    plan = SkipPlan(len(dataset), keep=0.4, epochs=4)
    loader = DataLoader(
        indexed(dataset), sampler=plan, batch_size=8, num_workers=num_workers, drop_last=True
    )
    for expected in (40, 16, 16):
        assert len(loader) == expected // 8
        rows = []
        for index, (values, _) in loader:
            assert torch.equal(values[:, 0], index.float())
            plan.record(index, values[:, 0])
            rows += index.tolist()
        assert len(rows) == len(set(rows)) == expected


def test_what_it_leaves_out_of_mnist_is_what_the_network_knows():
    """The point of the plan: what it leaves out, the network gets right, and better than chance."""
    data = load("mnist").train
    rows = torch.arange(0, 60_000, 10)
    images, labels = data.images[rows].flatten(1).float() / 255, data.labels[rows]
    weight = torch.zeros(784, 10, requires_grad=True)
    plan = SkipPlan(len(rows), keep=0.3, epochs=6)
    for _ in range(5):
        for index in torch.tensor(loaded(plan)).split(50):
            losses = F.cross_entropy(images[index] @ weight, labels[index], reduction="none")
            plan.record(index, losses)
            (gradient,) = torch.autograd.grad(losses.mean(), weight)
            weight = (weight - 0.5 * gradient).detach().requires_grad_()
    right = (images @ weight).argmax(1) == labels
    kept = plan.kept()
    assert right[~kept].double().mean() > right[kept].double().mean() + 0.1


@given(
    count=st.integers(20, 300),
    keep=st.floats(0.1, 0.99),
    batch_size=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_with_a_batch_size_what_is_chosen_fills_batches(count, keep, batch_size):
    kept = round(keep * count)
    arguments = {"keep": keep, "epochs": 5, "dense_start": 0.2, "batch_size": batch_size}
    arguments["rule"] = "random"  # which needs no record
    if batch_size > max(1, kept):
        with pytest.raises(InvalidValueError, match="batch_size: expected 1"):
            SkipPlan(count, **arguments)
        return
    plan = SkipPlan(count, **arguments)
    sizes = [len(loaded(plan)) for _ in range(7)]
    assert sizes == [count, *[max(1, kept) // batch_size * batch_size] * 6]  # past the end as well


def test_ages_count_the_epochs_since_a_sample_was_loaded():
    plan = SkipPlan(60, keep=0.5, epochs=400, dense_start=0)
    ages = torch.zeros(60, dtype=torch.int64)
    for _ in range(20):
        rows = loaded(plan)
        plan.record(torch.tensor(rows), torch.tensor([float(row % 2) for row in rows]))
        ages += 1
        ages[rows] = 0
        assert torch.equal(plan.state_dict()["ages"].long(), ages)


def test_a_byte_counts_no_further_than_255():
    plan = SkipPlan(60, keep=0.5, epochs=400, dense_start=0)
    plan.load_state_dict(plan.state_dict() | {"ages": torch.full((60,), 255, dtype=torch.uint8)})
    kept = plan.kept()
    plan.advance()
    assert torch.equal(plan.state_dict()["ages"], torch.where(kept, 0, 255).to(torch.uint8))


def test_in_the_middle_of_an_epoch_the_state_goes_on_where_it_was():
    plan, other = (SkipPlan(64, keep=0.5, epochs=9, seed=1, dense_start=0) for _ in range(2))
    rows = iter(plan)
    begun = [next(rows) for _ in range(24)]  # a loader asks for more than was trained on
    plan.record(torch.tensor(begun[:16]), torch.full((16,), 0.1))
    other.load_state_dict(plan.state_dict())
    assert len(other) == 32 - 16
    rest = list(other)
    assert rest == begun[16:] + list(rows)
    other.record(torch.tensor(rest), torch.ones(16))
    assert other.epoch == 1


def test_an_epoch_ends_when_its_last_samples_are_recorded_not_when_they_are_asked_for():
    plan = SkipPlan(20, keep=0.5, epochs=4, dense_start=0)
    rows = torch.tensor(loaded(plan))
    plan.record(rows[:6], torch.ones(6))
    assert plan.epoch == 0
    plan.record(rows[6:], torch.ones(4))
    assert plan.epoch == 1
    assert "bits" not in plan.state_dict()


def test_a_class_has_at_least_its_floor_and_the_count_stays_exact():
    labels = torch.arange(10_000) % 4
    losses = torch.tensor([1e-4, 1e-3, 1.0, 2.0])[labels]
    for floor in (0.0, 0.5, 1.0):
        plan = SkipPlan(10_000, keep=0.4, epochs=9, dense_start=0, labels=labels, class_floor=floor)
        plan.note(torch.arange(10_000), losses)
        kept = plan.kept()
        assert kept.sum() == 4000
        least = int(labels[kept].bincount(minlength=4).min())
        assert abs(least - 1000 * floor) < 100  # a draw: about 3 standard deviations


def test_a_plan_in_a_file_chooses_as_one_in_memory_and_outlives_its_process(tmp_path):
    path = tmp_path / "plan.bytes"
    plan = SkipPlan(5000, keep=0.3, epochs=9, seed=2)
    filed = SkipPlan(5000, keep=0.3, epochs=9, seed=2, path=path)
    for _ in range(3):
        rows = torch.tensor(loaded(plan))
        assert loaded(filed) == rows.tolist()
        losses = torch.rand(len(rows), generator=torch.Generator().manual_seed(1))
        plan.record(rows, losses)
        filed.record(rows, losses)
    state = filed.state_dict()
    assert set(state) == {"epoch"}
    del filed
    again = SkipPlan(5000, keep=0.3, epochs=9, seed=2, path=path)
    again.load_state_dict(state)
    assert loaded(again) == loaded(plan)
    with pytest.raises(InvalidValueError, match="path: expected a file of 10 bytes"):
        SkipPlan(1, keep=0.5, epochs=9, path=path)


def test_without_a_keep_ratio_as_many_are_loaded_as_hold_the_loss():
    plan = SkipPlan(1000, cover=0.9, epochs=9, dense_start=0.2, batch_size=10)
    assert not plan.exact
    losses = torch.where(torch.arange(1000) < 300, 3.0, 1e-4)
    for _ in range(2):  # dense
        rows = torch.tensor(loaded(plan))
        plan.record(rows, losses[rows])
    assert len(plan) == 1000  # said before it begins: any number up to it
    assert int(plan.kept().sum()) == 280
    assert len(plan) == 280
    assert (torch.tensor(loaded(plan)) < 300).all()


def test_with_a_batch_size_what_holds_the_loss_is_rounded_up():
    plan = SkipPlan(1000, cover=0.5, epochs=10, dense_start=0, batch_size=130)
    plan.note(torch.arange(1000), torch.where(torch.arange(1000) < 9, 5.0, 1e-4))
    assert int(plan.kept().sum()) == 260  # a quarter at least


def test_a_plan_goes_to_another_process():
    plan = SkipPlan(40, keep=0.5, epochs=4, dense_start=0)
    plan.note(torch.arange(40), torch.rand(40))
    assert torch.equal(pickle.loads(pickle.dumps(plan)).kept(), plan.kept())


def test_a_loader_that_goes_its_own_way_is_found_at_its_first_batch():
    plan = SkipPlan(40, keep=0.5, epochs=4, dense_start=0)
    kept = plan.kept()
    strange = (~kept).nonzero()[:4, 0]
    with pytest.raises(InvalidValueError, match=f"got {int(strange[0])} which this epoch does not"):
        plan.record(strange, torch.ones(4))
    rows = kept.nonzero()[:4, 0]
    plan.record(rows, torch.ones(4))
    with pytest.raises(
        InvalidValueError, match=f"is it the loader's sampler.*{int(rows[0])} again"
    ):
        plan.record(rows, torch.ones(4))


class Two(NamedTuple):
    """One of two ranks."""

    rank: int
    size: int = 2


def test_ranks_draw_apart_from_each_other():
    kept = [
        SkipPlan(4000, keep=0.5, epochs=4, rule="random", dense_start=0, ranks=Two(rank)).kept()
        for rank in (0, 1)
    ]
    alike = (kept[0][::2] == kept[1][1::2]).float().mean()
    assert 0.4 < alike < 0.6  # a half by chance; all, if both drew the same numbers


def test_ranks_do_not_write_to_one_file(tmp_path):
    plans = [
        SkipPlan(8, keep=0.5, epochs=4, ranks=Two(rank), path=tmp_path / "plan") for rank in (0, 1)
    ]
    plans[0].note(torch.tensor([0]), torch.tensor([0.1]))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["plan.0", "plan.1"]
    rows = [set(loaded(plan)) for plan in plans]
    assert rows == [{0, 2, 4, 6}, {1, 3, 5, 7}]
    one, other = ((tmp_path / name).read_bytes() for name in ("plan.0", "plan.1"))
    assert one != other


def test_a_plan_in_a_file_knows_its_epoch_and_refuses_an_older_state(tmp_path):
    plan = SkipPlan(40, keep=0.5, epochs=9, path=tmp_path / "plan")
    rows = torch.tensor(loaded(plan))
    plan.record(rows, torch.rand(40))
    state = plan.state_dict()
    for _ in range(2):
        plan.advance()
    again = SkipPlan(40, keep=0.5, epochs=9, path=tmp_path / "plan")
    assert again.epoch == 3
    with pytest.raises(InvalidValueError, match=r"state: expected that of epoch 3.*got 1"):
        again.load_state_dict(state)
    again.load_state_dict(plan.state_dict())


def test_a_file_that_cannot_be_made_is_told_at_once(tmp_path):
    with pytest.raises(StorageError, match="path: expected a file to write"):
        SkipPlan(8, keep=0.5, epochs=4, path=tmp_path / "missing" / "plan")


def test_what_nothing_is_told_of_keeps_the_loss_that_is_known():
    plan = SkipPlan(4, keep=0.5, epochs=4)
    plan.note(torch.arange(4), torch.tensor([0.1, 0.2, 0.3, 0.4]))
    before = plan.state_dict()["levels"].clone()
    plan.note(torch.arange(4), torch.tensor([torch.nan, 5.0, torch.nan, torch.nan]))
    after = plan.state_dict()["levels"]
    assert (before == after).tolist() == [True, False, True, True]


def test_a_loader_that_never_asks_the_plan_is_found_at_its_first_batch():
    plan = SkipPlan(40, keep=0.5, epochs=4)
    with pytest.raises(InvalidValueError, match="plan: expected a pass over it before losses"):
        plan.record(torch.arange(4), torch.ones(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": torch.tensor([0, -1] * 20)}, "labels: expected integers from 0, got -1"),
        ({"labels": torch.rand(40)}, "labels: expected integers from 0, got .* of torch.float32"),
        ({"class_floor": 0, "cover": 0.9, "keep_end": 0.1}, "keep_end: expected None beside cover"),
        ({"class_floor": 0, "count": 1, "ranks": Two(0)}, "count: expected at least a sample a"),
    ],
)
def test_labels_ranks_and_schedules_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        SkipPlan(**{"count": 40, "keep": 0.5, "epochs": 4, "class_floor": 0.5} | arguments)


def test_ranks_share_a_data_set_and_stay_in_step():
    plans = [SkipPlan(21, keep=0.5, epochs=4, dense_start=0.25, ranks=Two(rank)) for rank in (0, 1)]
    for expected in (10, 5, 5):
        rows = [loaded(plan) for plan in plans]
        assert [len(own) for own in rows] == [expected, expected]
        for rank, (plan, own) in enumerate(zip(plans, rows, strict=True)):
            assert all(row % 2 == rank for row in own)
            assert plan.kept().nonzero()[:, 0].tolist() == sorted(own)
            plan.record(torch.tensor(own), torch.rand(expected))
    with pytest.raises(InvalidValueError, match="expected places of rank 0 of 2, got 3"):
        plans[0].record(torch.tensor([3]), torch.ones(1))


def test_a_sloping_keep_ratio_is_followed():
    plan = SkipPlan(100, keep=0.2, keep_end=0.6, epochs=4, dense_start=0)
    assert [plan.count(epoch) for epoch in range(5)] == [20, 30, 40, 50, 50]


def test_one_epoch_under_way_is_as_long_as_it_says_without_a_keep_ratio():
    plan = SkipPlan(500, cover=0.9, epochs=9, dense_start=0)
    for _ in range(4):
        rows = loaded(plan)
        plan.record(torch.tensor(rows), torch.rand(len(rows)).square())
        assert len(set(rows)) == len(rows)
    assert len(loaded(plan)) < 500


@pytest.mark.parametrize("kind", ["keep", "cover", "infobatch"])
def test_a_state_of_an_epochs_end_begins_the_next_where_the_loader_dropped_the_rest(kind):
    def plan_of():
        if kind == "infobatch":
            return HistoryPlan(100, keep=0.5, epochs=4, batch_size=16, rule="infobatch")
        share = {"cover": 0.9} if kind == "cover" else {"keep": 0.5}
        return SkipPlan(100, epochs=4, batch_size=16, **share)

    def epoch(plan):
        rows = torch.tensor(list(plan))
        batches = [own for own in rows.split(16) if len(own) == 16]
        for own in batches:
            plan.record(own, own / 100)
        return torch.cat(batches).tolist()

    plan, resumed, seen = plan_of(), plan_of(), []
    for _ in range(4):
        resumed.load_state_dict(plan.state_dict())
        assert len(resumed) == len(plan)
        seen.append(epoch(plan))
        assert epoch(resumed) == seen[-1]
    assert len(seen[0]) == 96


def test_a_state_of_another_rank_is_refused():
    plans = [SkipPlan(20, epochs=4, ranks=Two(rank)) for rank in (0, 1)]
    with pytest.raises(InvalidValueError, match="that of rank 1 of 2, got rank 0 of 2"):
        plans[1].load_state_dict(plans[0].state_dict())
    plans[0].load_state_dict(plans[0].state_dict())


def test_an_epoch_before_the_first_is_refused(tmp_path):
    plan = SkipPlan(20, epochs=4)
    with pytest.raises(InvalidValueError, match="an epoch from 0, got -5"):
        plan.load_state_dict(plan.state_dict() | {"epoch": torch.tensor(-5)})
    SkipPlan(20, epochs=4, path=tmp_path / "plan")
    size = (tmp_path / "plan").stat().st_size
    (tmp_path / "plan").write_bytes(b"\xff" * size)
    with pytest.raises(InvalidValueError, match="a plan's file, got epoch -1"):
        SkipPlan(20, epochs=4, path=tmp_path / "plan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"seed": 1.5}, "seed: expected a whole number"),
        ({"epochs": 2.5}, "count, epochs: expected integers"),
        ({"batch_size": 1.5}, "batch_size: expected 1 … 5, .* got 1.5"),
        ({"labels": [0] * 10, "class_floor": 0.5}, "labels: expected a tensor, got list"),
    ],
)
def test_what_would_fail_in_the_first_pass_is_refused_at_once(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        SkipPlan(**{"count": 10, "epochs": 3} | arguments)


def test_a_loop_that_never_records_is_told_once():
    plan = SkipPlan(20, epochs=9)
    assert [len(loaded(plan)) for _ in range(3)] == [20, 10, 10]
    with pytest.warns(UserWarning, match="2 epochs were passed over .* is `plan.record` missing"):
        loaded(plan)
    loaded(plan)
    for quiet in (SkipPlan(20, epochs=9, rule="random"), SkipPlan(20, epochs=9)):
        quiet.note(torch.arange(20), torch.rand(20))
        for _ in range(4):
            loaded(quiet)
