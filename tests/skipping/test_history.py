import pytest
import torch

from imprint.errors import InvalidValueError
from imprint.skipping import HISTORY_RULES, HistoryPlan


def epoch(plan, losses):
    """One epoch: what is loaded, each with its loss."""
    rows = torch.tensor(list(plan))
    plan.record(rows, losses[rows])
    return rows


@pytest.mark.parametrize("rule", HISTORY_RULES)
def test_the_first_epoch_loads_everything(rule):
    plan = HistoryPlan(60, keep=0.5, epochs=8, rule=rule)
    assert len(plan) == 60
    assert sorted(plan) == list(range(60))


def test_orderdp_keeps_its_share_of_the_hardest():
    plan = HistoryPlan(100, keep=0.3, epochs=8, rule="orderdp")
    losses = torch.linspace(1e-3, 3, 100)
    epoch(plan, losses)
    assert len(plan) == 30
    rows = epoch(plan, losses)
    assert len(rows) == 30
    assert rows.float().mean() > 60  # of a random half, those of the highest losses


def test_infobatch_weighs_what_it_keeps_of_the_easy_and_ends_dense():
    plan = HistoryPlan(1000, keep=0.5, epochs=8, rule="infobatch")
    losses = torch.cat([torch.full((800,), 0.1), torch.full((200,), 5.0)])
    epoch(plan, losses)
    rows = torch.tensor(list(plan))
    easy = rows < 800
    assert (rows >= 800).sum() == 200
    assert 300 < easy.sum() < 500
    assert torch.equal(plan.weights(rows), torch.where(easy, 2.0, 1.0))
    plan.record(rows, losses[rows])
    for _ in range(5):
        assert len(epoch(plan, losses)) < 700
    assert len(epoch(plan, losses)) == 1000
    assert plan.weights(rows) is None


def test_kakurenbo_hides_what_is_sure_scores_it_again_and_raises_the_rate():
    plan = HistoryPlan(100, keep=0.7, epochs=10, rule="kakurenbo")
    losses = torch.where(torch.arange(100) < 20, 0.01, 2.0)
    epoch(plan, losses)
    rows = torch.tensor(list(plan))
    assert sorted(rows.tolist()) == list(range(20, 100))  # 30 are asked for, 20 are sure
    assert plan.rescored().nonzero()[:, 0].tolist() == list(range(20))
    assert plan.rate == pytest.approx(1 / 0.7)  # by what was asked for


def test_early_stopping_asks_for_five_losses_and_looks_at_what_it_leaves_out():
    plan = HistoryPlan(10, keep=0.5, epochs=10, rule="early-stopping")
    for step in (1.0, 0.9, 0.8, 0.7, 0.6):  # falls evenly: its second difference is 0
        losses = torch.where(torch.arange(10) < 4, torch.tensor(step), torch.rand(10) * 9 + step**9)
        assert len(epoch(plan, losses)) == 10
    rows = list(plan)
    assert sorted(rows) == list(range(4, 10))
    assert plan.rescored().sum() == 4


@pytest.mark.parametrize("rule", HISTORY_RULES)
def test_a_stopped_plan_goes_on_where_it_was(rule):
    plans = [HistoryPlan(64, keep=0.6, epochs=9, rule=rule, seed=3) for _ in range(2)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        epoch(plans[0], losses := torch.rand(64, generator=generator))
    rows = list(plans[0])
    plans[0].record(torch.tensor(rows[:8]), losses[rows[:8]])
    plans[1].load_state_dict(plans[0].state_dict())
    assert list(plans[1]) == rows[8:]
    index = torch.tensor(rows[8:])
    weights = [plan.weights(index) for plan in plans]
    assert weights[0] is None or torch.equal(*weights)
    assert plans[0].rate == plans[1].rate  # to the last bit


def test_never_an_empty_batch_though_all_is_known():
    plan = HistoryPlan(50, keep=0.05, epochs=9, rule="early-stopping", batch_size=8)
    for _ in range(6):
        rows = epoch(plan, torch.full((50,), 0.5))
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "magic"}, "rule: expected one of infobatch, orderdp"),
        ({"keep": 0.0}, r"keep: expected a share in \(0, 1\], got 0.0"),
        ({"batch_size": 11}, "batch_size: expected 1 or more, got 10, 5, 11"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        HistoryPlan(10, **{"keep": 0.5, "epochs": 5, "rule": "orderdp"} | arguments)


@pytest.mark.parametrize("rule", HISTORY_RULES)
def test_with_a_batch_size_what_is_left_of_an_epoch_fills_batches(rule):
    plan = HistoryPlan(100, keep=0.6, epochs=20, rule=rule, batch_size=7)
    generator = torch.Generator().manual_seed(0)
    for _ in range(8):
        rows = epoch(plan, torch.rand(100, generator=generator))
        assert len(rows) == 100 or (len(rows) % 7 == 0 and len(rows))


@pytest.mark.parametrize("epochs", [4, 8, 10, 20])
def test_infobatch_is_dense_in_the_last_eighth_of_any_training(epochs):
    plan = HistoryPlan(100, keep=0.5, epochs=epochs, rule="infobatch", dense_start=0)
    sizes = [len(epoch(plan, torch.arange(100) / 100)) for _ in range(epochs)]
    dense = -(-epochs // 8)
    assert sizes[-dense:] == [100] * dense
    assert max(sizes[1:-dense]) < 100


def test_dense_parts_load_everything_whatever_the_rule():
    for rule in HISTORY_RULES:
        plan = HistoryPlan(60, keep=0.5, epochs=10, rule=rule, dense_start=0.3, dense_end=0.2)
        sizes = [len(epoch(plan, torch.full((60,), 0.01))) for _ in range(10)]
        assert sizes[:3] == [60] * 3, rule
        assert sizes[8:] == [60] * 2, rule


def test_infobatch_never_prunes_more_than_it_was_published_with():
    plan = HistoryPlan(1000, keep=1e-9, epochs=20, rule="infobatch")
    losses = torch.cat([torch.full((900,), 0.1), torch.full((100,), 5.0)])
    epoch(plan, losses)
    rows = torch.tensor(list(plan))
    assert plan.weights(rows).max() == pytest.approx(10)


def test_at_keep_one_everything_is_loaded_also_what_fills_no_batch():
    plan = HistoryPlan(100, keep=1.0, epochs=4, rule="orderdp", batch_size=16)
    for _ in range(3):
        expected = len(plan)
        assert len(epoch(plan, torch.rand(100))) == expected == 100


def test_a_state_with_weights_gives_way_to_one_without():
    plans = [HistoryPlan(40, keep=0.5, epochs=16, rule="infobatch") for _ in range(2)]
    early = plans[0].state_dict()
    epoch(plans[1], torch.rand(40))
    plans[1].kept()
    plans[1].load_state_dict(early)
    assert plans[1].epoch == 0
    assert plans[1].weights(torch.arange(40)) is None


def test_a_state_of_another_size_is_refused():
    plan = HistoryPlan(10, keep=0.5, epochs=5, rule="orderdp")
    with pytest.raises(InvalidValueError, match="state: expected"):
        plan.load_state_dict(HistoryPlan(11, keep=0.5, epochs=5, rule="orderdp").state_dict())


@pytest.mark.parametrize("wrong", [{"count": 10.5}, {"epochs": 0}, {"batch_size": 11}])
def test_numbers_of_samples_epochs_and_batches_are_whole(wrong):
    with pytest.raises(InvalidValueError, match="count, epochs, batch_size: expected 1 or more"):
        HistoryPlan(**{"count": 10, "keep": 0.5, "epochs": 3, "rule": "orderdp"} | wrong)
