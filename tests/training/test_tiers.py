import pytest
import torch
from torch import nn

from imprint.data import Batch
from imprint.skipping.levels import HELD, loss_of_level
from imprint.training import TrainSettings
from imprint.training.tiers import Tiers

SHAPE, COUNT, LABELS = (1, 4, 4), 64, torch.arange(64) % 3


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


def built(**settings):
    common = {"model": "mine.py:build", "layer": "1", "batch_size": 16, "epochs": 4}
    model = network()
    return Tiers(TrainSettings(**common | settings), model, SHAPE, 3, LABELS), model


def batch_of(rows):
    index = torch.tensor(rows)
    return Batch(index, torch.rand(len(index), *SHAPE), LABELS[index])


def step(tiers, model, batch):
    """What a training step has to do with the tiers; the rows that stayed."""
    narrowed = tiers.narrow(model, batch)
    logits, labels = tiers.forward(model, narrowed)
    tiers.record(narrowed, logits.detach(), labels)
    return len(labels)


def test_a_plain_run_leaves_everything_as_it_is():
    tiers, model = built()
    assert tiers.begin_epoch(1) == (None, None)
    batch = batch_of(range(16))
    assert tiers.narrow(model, batch) is batch
    assert torch.equal(tiers.forward(model, batch)[0], model(batch.images))
    assert (tiers.rate, tiers.exact, tiers.weights(batch.index)) == (1.0, True, None)
    assert tiers.looked_at(16, 16) == 0
    assert list(tiers.state()) == ["tally"]


@pytest.mark.parametrize(
    ("settings", "loaded", "stay", "looked"),
    [
        ({"skip": "imprint"}, 32, 16, 0),
        ({"skip": "imprint", "tier": "gate"}, 64, 8, 0),
        ({"skip": "imprint", "tier": "both"}, 32, 8, 0),
        ({"skip": "selective-backprop"}, 64, 8, 8),
        ({"skip": "orderdp"}, 32, 16, 0),
    ],
)
def test_each_tier_keeps_its_share(settings, loaded, stay, looked):
    tiers, model = built(keep=0.5, **settings)
    while tiers.plan is not None and tiers.plan.epoch < 1:  # a dense one, of which nothing is told
        tiers.plan.advance()
    kept, _ = tiers.begin_epoch(1)
    rows = range(COUNT) if kept is None else kept.nonzero()[:, 0].tolist()
    assert len(rows) == loaded
    assert step(tiers, model, batch_of(rows[:16])) == stay
    assert tiers.looked_at(16, stay) == looked
    assert int(tiers.tally.skipped.sum()) == COUNT - loaded + 16 - stay


def test_the_paper_looks_at_each_batch_again_to_remember_it():
    tiers, model = built(skip="paper")
    tiers.begin_epoch(0)
    stayed = step(tiers, model, batch_of(range(16)))
    assert tiers.looked_at(16, stayed) == 16
    assert tiers.gate.memory.counts.sum() == 16


def test_with_both_the_plan_hears_of_rows_that_left_at_the_gate():
    tiers, model = built(skip="imprint", tier="both", keep=0.5, dense_start=0)
    kept, _ = tiers.begin_epoch(0)
    rows = kept.nonzero()[:, 0].tolist()[:16]
    assert step(tiers, model, batch_of(rows)) == 8
    losses = loss_of_level(tiers.plan.state_dict()["levels"])
    assert losses[torch.tensor(rows)].isfinite().all()
    assert int(tiers.plan.state_dict()["left"]) == 32 - 16


def test_a_suspect_that_left_at_the_gate_stays_held_back(monkeypatch):
    tiers, model = built(skip="imprint", tier="both", hold_suspects=True, dense_start=0)
    monkeypatch.setattr(tiers.suspects, "among", lambda index: index % 2 == 0)
    rows = tiers.begin_epoch(0)[0].nonzero()[:, 0].tolist()[:16]
    assert step(tiers, model, batch_of(rows)) == 8
    held = tiers.plan.state_dict()["levels"][torch.tensor(rows)] == HELD
    assert held.tolist() == [row % 2 == 0 for row in rows]


def test_what_the_network_contradicts_is_held_back():
    tiers, _ = built(skip="imprint", hold_suspects=True, keep=0.5, dense_start=0)
    for epoch in range(3):
        kept = tiers.begin_epoch(epoch)[0].nonzero()[:, 0]
        batch = batch_of(kept.tolist())
        wrong = batch.index % 8 == 0
        logits = 9.0 * nn.functional.one_hot((batch.labels + wrong) % 3, 3).float()
        tiers.record(batch, logits, batch.labels)
        tiers.end_epoch(epoch)
    held = tiers.plan.state_dict()["levels"] == HELD
    assert held.nonzero()[:, 0].tolist() == tiers.suspects.places().sort().values.tolist() != []
    assert (held.nonzero()[:, 0] % 8 == 0).all()


def test_the_state_is_whole():
    settings = {"skip": "imprint", "tier": "both", "hold_suspects": True, "dense_start": 0}
    tiers, model = built(**settings)
    rows = tiers.begin_epoch(0)[0].nonzero()[:, 0].tolist()
    step(tiers, model, batch_of(rows[:16]))
    other, _ = built(**settings)
    other.load_state(tiers.state(), torch.device("cpu"))
    for name, part in tiers.state().items():
        for key, value in part.items():
            assert torch.equal(other.state()[name][key].nan_to_num(9), value.nan_to_num(9)), key
