import itertools
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from imprint.data import LoaderBatches, batches_of, load, loading, normalisation
from imprint.errors import (
    DeviceError,
    DivergedError,
    InvalidValueError,
    LayerError,
    RunExistsError,
)
from imprint.models import build_model, default_layer
from imprint.runs import read_tensors
from imprint.skipping import SkipGate
from imprint.skipping.levels import loss_of_level
from imprint.training import TrainSettings, train
from imprint.training.building import build_trainer
from imprint.training.engine import find_device
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

QUICK = {"model": "conv4", "epochs": 3, "batch_size": 64, "device": "cpu", "lr": 0.1}


def weights(folder, name="model.safetensors"):
    return read_tensors(folder / name)[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def without_times(value):
    if isinstance(value, dict):
        drop = ("train_seconds", "time_saved")
        return {k: without_times(v) for k, v in value.items() if k not in drop}
    return [without_times(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("skip", "tier"),
    [
        ("none", None),
        ("imprint", "plan"),
        ("imprint", "gate"),
        ("random", "plan"),
        ("random", "gate"),
        ("paper", None),
        ("cosine", None),
        ("imprint", "both"),
        ("top", None),
        ("infobatch", None),
        ("orderdp", None),
        ("kakurenbo", None),
        ("early-stopping", None),
        ("selective-backprop", None),
    ],
)
def test_learns_and_accounts_for_every_image(splits, tmp_path, skip, tier):
    settings = TrainSettings(skip=skip, tier=tier, **{**QUICK, "epochs": 12})
    result = train(splits, settings, out=tmp_path / "run")
    assert result["test_accuracy"] > (0.4 if skip == "paper" else 0.6)  # chance is 0.25
    assert result["images_seen"] == 12 * 512 == result["images_trained"] + result["images_skipped"]
    assert len(result["epochs"]) == 12
    for row in result["epochs"]:
        assert row["images_seen"] == row["images_trained"] + row["images_skipped"]
        assert sum(row["skipped_per_class"]) == row["images_skipped"]
        assert sum(row["hits_per_class"]) == row["hits"]
    assert (result["images_skipped"] > 0) == (skip != "none")
    assert json.loads((tmp_path / "run/result.json").read_text()) == result
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "result.json", "model.safetensors",
    }  # fmt: skip


def test_a_set_beyond_memory_trains_alike_through_a_loader(splits, tmp_path, monkeypatch):
    settings = TrainSettings(skip="imprint", batch_shrink=0.5, **{**QUICK, "epochs": 2})
    train(splits, settings, out=tmp_path / "small")
    monkeypatch.setattr(loading, "MEMORY_BUDGET", 0)
    assert isinstance(
        batches_of(splits.train, 64, normalisation(splits.train.images)), LoaderBatches
    )
    train(splits, settings, out=tmp_path / "large")
    assert same(weights(tmp_path / "small"), weights(tmp_path / "large"))


@pytest.mark.parametrize("skip", ["imprint", "random"])
@pytest.mark.parametrize("tier", ["plan", "gate"])
def test_keeps_the_exact_share(splits, skip, tier):
    settings = TrainSettings(skip=skip, tier=tier, keep=0.25, dense_start=0.3, **QUICK)
    result = train(splits, settings)
    assert [row["images_trained"] for row in result["epochs"]] == [512, 128, 128]


def test_a_plan_compresses_the_schedule_to_the_steps_that_are_left(splits):
    settings = TrainSettings(skip="imprint", keep=0.25, **QUICK)
    places = []
    result = train(splits, settings, on_step=places.append)
    assert [(place.step, place.steps) for place in places[-2:]] == [(1, 2), (2, 2)]
    trainer = build_trainer(splits, settings)
    while not trainer.finished:
        trainer.train_epoch()
    assert result["epochs"][0]["learning_rate"] == pytest.approx(settings.rate / 25)
    assert trainer.state()[1]["schedule"]["_last_lr"][0] < settings.rate / 100


@pytest.mark.parametrize(
    ("shrink", "steps"), [(0.0, [8, 2, 2]), (0.5, [8, 4, 4]), (1.0, [8, 8, 8])]
)
@pytest.mark.parametrize("skip", ["imprint", "orderdp"])
def test_a_step_shrinks_with_what_is_kept(splits, skip, shrink, steps):
    settings = TrainSettings(skip=skip, keep=0.25, batch_shrink=shrink, **QUICK)
    trainer, sizes = build_trainer(splits, settings), []
    step = trainer._step
    trainer._step = lambda batch: (sizes.append(len(batch.labels)), step(batch))[1]
    rows = [trainer.train_epoch() for _ in range(3)]
    assert [row["images_trained"] for row in rows] == [512, 128, 128]
    assert sizes == [64] * 8 + [128 // steps[1]] * (2 * steps[1])
    assert trainer.state()[1]["schedule"]["_last_lr"][0] < settings.rate / 100  # to its end


def test_the_rate_follows_what_is_done_where_nobody_knows_the_steps(splits):
    settings = TrainSettings(skip="imprint", cover=0.5, batch_shrink=1.0, **QUICK)
    trainer, places = build_trainer(splits, settings), []
    trainer._on_step = places.append
    rows = [trainer.train_epoch() for _ in range(3)]
    assert rows[-1]["images_trained"] < 512
    assert places[-1].step == places[-1].steps == 8
    assert trainer.state()[1]["schedule"]["_last_lr"][0] < settings.rate / 100


def test_a_plan_learns_the_losses_of_the_images_without_the_smoothing(splits):
    settings = TrainSettings(skip="imprint", label_smoothing=0.5, **{**QUICK, "epochs": 8})
    trainer = build_trainer(splits, settings)
    while not trainer.finished:
        trainer.train_epoch()
    losses = loss_of_level(trainer.tiers.plan.state_dict()["levels"])
    assert losses.isfinite().all()
    assert losses.median() < 0.6  # smoothing alone would put a floor of 1.0 under each


def test_paper_counts_what_it_skips_as_hits(splits):
    result = train(splits, TrainSettings(skip="paper", **QUICK))
    for row in result["epochs"]:
        assert 0 <= row["hits"] - row["images_skipped"] <= 2 * 8  # two rows of a batch always stay
    assert result["keep"] is None


@pytest.mark.parametrize("tier", ["plan", "gate", "both"])
def test_at_keep_one_a_run_is_plain_to_the_bit(splits, tmp_path, tier):
    quick = QUICK | {"batch_size": 60}  # 512 images do not fill the last
    train(splits, TrainSettings(**quick), out=tmp_path / "plain")
    settings = TrainSettings(skip="imprint", tier=tier, keep=1.0, batch_shrink=1.0, **quick)
    train(splits, settings, out=tmp_path / "skipping")
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "skipping"))


def test_a_comparison_is_two_runs_that_take_turns(splits, tmp_path):
    order = []
    settings = TrainSettings(**QUICK)
    result = train(
        splits,
        settings,
        compare=True,
        out=tmp_path / "c",
        on_epoch=lambda name, _: order.append(name),
    )
    assert order == ["plain", "skip"] * 3
    assert (result["plain"]["skip"], result["skip"]["skip"]) == ("none", "imprint")
    saved = 1 - result["skip"]["train_seconds"] / result["plain"]["train_seconds"]
    assert result["time_saved"] == pytest.approx(saved)
    train(splits, settings, out=tmp_path / "alone")
    assert same(weights(tmp_path / "c", "model-plain.safetensors"), weights(tmp_path / "alone"))


@pytest.mark.parametrize("own", [{"cover": 0.9}, {"class_floor": 0.5}, {"hold_suspects": True}])
def test_what_only_a_plan_takes_does_not_keep_it_from_being_compared(splits, own):
    result = train(splits, TrainSettings(**QUICK, skip="imprint", **own), compare=True)
    (name,) = own
    assert result["skip"][name] == own[name]
    assert result["plain"][name] == getattr(TrainSettings, name)
    assert result["plain"]["images_skipped"] == 0


def test_a_seed_repeats_to_the_bit_and_leaves_global_randomness(splits, tmp_path):
    for name in "ab":
        torch.manual_seed(ord(name))
        state = torch.get_rng_state()
        train(splits, TrainSettings(skip="random", **QUICK), out=tmp_path / name)
        assert torch.equal(torch.get_rng_state(), state)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    train(splits, TrainSettings(skip="random", **QUICK, seed=1), out=tmp_path / "c")
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


DROPOUT = """
from torch import nn
def build(num_classes):
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3),
                         nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, num_classes))
"""


@pytest.mark.parametrize("tier", ["plan", "gate"])
@pytest.mark.parametrize("moment", [3, 11, 19, 26, 38])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_interrupted_comparison_ends_as_if_it_had_not_been(
    splits, tmp_path, moment, optimizer, tier
):
    (tmp_path / "net.py").write_text(DROPOUT)
    changes = {
        "model": f"{tmp_path}/net.py:build",
        "layer": "0",
        "optimizer": optimizer,
        "lr": 0.01,
    }
    settings = TrainSettings(skip="imprint", tier=tier, **{**QUICK, **changes})
    whole = train(splits, settings, compare=True, out=tmp_path / "whole")
    steps = itertools.count(1)

    def interrupt(_):
        if next(steps) == moment:  # in the midst of an epoch
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, settings, compare=True, out=tmp_path / "cut", on_step=interrupt)
    resumed = train(splits, settings, compare=True, out=tmp_path / "cut", resume=True)
    assert without_times(resumed) == without_times(whole)
    for name in ("model.safetensors", "model-plain.safetensors"):
        assert same(weights(tmp_path / "whole", name), weights(tmp_path / "cut", name))


@pytest.mark.parametrize(
    "how",
    [
        {"skip": "imprint", "tier": "both"},
        {"skip": "imprint", "cover": 0.8},
        {"skip": "imprint", "cover": 0.8, "batch_shrink": 0.7},
        {"skip": "imprint", "class_floor": 0.8},
        {"skip": "imprint", "hold_suspects": True},
        {"skip": "imprint", "tier": "both", "hold_suspects": True, "renew_norm": True},
        {"skip": "infobatch"},
        {"skip": "kakurenbo"},
        {"skip": "early-stopping"},
        {"skip": "selective-backprop"},
        {"skip": "partial-forward-blocking"},
        {"skip": "imprint", "freeze_after": {"block1": 0.25}},
        {"skip": "imprint", "tier": "both", "freeze_after": {"block2": 0.8, "block1": 0.1}},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_any_way_of_skipping_resumes_exactly(splits, tmp_path, how):
    settings = TrainSettings(**{**QUICK, "epochs": 8}, **how)
    whole = train(splits, settings, out=tmp_path / "whole")
    epochs = itertools.count(1)

    def interrupt(*_):
        if next(epochs) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, settings, out=tmp_path / "cut", on_epoch=interrupt)
    resumed = train(splits, settings, out=tmp_path / "cut", resume=True)
    assert without_times(resumed) == without_times(whole)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_what_freezes_on_the_way_learns_until_then(splits, tmp_path):
    settings = {**QUICK, "epochs": 4}
    for after in (0, 0.5, None):
        times = None if after is None else {"block1": after}
        train(splits, TrainSettings(**settings, freeze_after=times), out=tmp_path / str(after))
    start = build_model("conv4", (1, 16, 16), 4, seed=0).state_dict()
    at_once, half, plain = (weights(tmp_path / name) for name in ("0", "0.5", "None"))
    assert torch.equal(at_once["block1.0.weight"], start["block1.0.weight"])
    for name in ("block1.0.weight", "block2.0.weight", "linear.weight"):
        assert not torch.equal(half[name], plain[name])
        assert not torch.equal(half[name], start[name])


def test_what_freezes_on_the_way_needs_a_layer_and_images(splits):
    with pytest.raises(InvalidValueError, match="freeze_after: expected None beside freeze_to"):
        TrainSettings(freeze_after={"block1": 0.5}, freeze_to="block1")
    for times, message in (
        ({"block1": 50}, r"'block1': expected a share in \[0, 1\], got 50"),
        ({"block1": "soon"}, "got 'soon'"),
        ({"block1": 1}, "at most 0.875, where the last of 8 epochs begins; got 1"),
        ({}, "expected one at least"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            TrainSettings(freeze_after=times)
    with pytest.raises(LayerError, match="got 'nowhere'"):
        train(splits, TrainSettings(**QUICK, freeze_after={"nowhere": 0.5}))


def test_what_the_gate_left_out_the_plan_hears_of(splits):
    settings = TrainSettings(skip="imprint", tier="both", keep=0.5, **QUICK)
    trainer = build_trainer(splits, settings)
    row = [trainer.train_epoch() for _ in range(3)][-1]
    assert row["images_loaded"] == 256
    assert row["images_trained"] == 128
    losses = loss_of_level(trainer.tiers.plan.state_dict()["levels"])
    assert losses.isfinite().all()  # the probe's, of rows that never went to the end


def test_the_rate_is_raised_for_the_steps_of_what_hides_samples(splits, monkeypatch):
    settings = TrainSettings(skip="kakurenbo", keep=0.5, **{**QUICK, "schedule": "constant"})
    trainer = build_trainer(splits, settings)
    rates, step = [], trainer._optimizer.step
    monkeypatch.setattr(
        trainer._optimizer,
        "step",
        lambda: (rates.append(trainer._optimizer.param_groups[0]["lr"]), step()),
    )
    for _ in range(2):
        row = trainer.train_epoch()
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.1 / (1 - 0.8 * 0.5))  # four fifths in the second third
    assert row["learning_rate"] == pytest.approx(0.1)


def test_what_a_published_plan_hides_is_looked_at_again_however_little_it_is(splits):
    images = ImageSet(
        splits.train.images[:500], splits.train.labels[:500], splits.train.class_names
    )
    settings = TrainSettings(skip="kakurenbo", keep=0.95, **{**QUICK, "epochs": 3})
    trainer = build_trainer(replace(splits, train=images), settings)
    trainer.train_epoch()
    trainer.tiers.plan.note(torch.arange(500), torch.full((500,), 1e-3))
    before = trainer.tiers.plan.state_dict()["history"][0].clone()
    row = trainer.train_epoch()
    assert row["images_skipped"] == 500 - 448  # less than a batch
    assert row["images_loaded"] == 500  # those trained on, and those looked at
    assert (trainer.tiers.plan.state_dict()["history"][0] != before).all()


def test_suspects_are_part_of_what_goes_on(splits):
    settings = TrainSettings(**QUICK, skip="imprint", hold_suspects=True)
    trainer, other = build_trainer(splits, settings), build_trainer(splits, settings)
    trainer.train_epoch()
    other.load_state(*trainer.state())
    assert trainer.tiers.suspects.margins.any()
    assert torch.equal(other.tiers.suspects.margins, trainer.tiers.suspects.margins)


def test_batch_norm_is_renewed_after_the_last_epoch_alone(splits):
    ways = [TrainSettings(**QUICK, skip="imprint", renew_norm=renew) for renew in (False, True)]
    usual, renewed = (build_trainer(splits, settings) for settings in ways)
    more = []
    for _ in range(QUICK["epochs"]):
        rows = [trainer.train_epoch() for trainer in (usual, renewed)]
        more.append(rows[1]["images_forwarded"] - rows[0]["images_forwarded"])
    assert more == [0, 0, len(splits.train)]
    assert rows[0]["train_loss"] == rows[1]["train_loss"]
    states = [trainer.model.state_dict() for trainer in (usual, renewed)]
    changed = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    assert changed
    assert all("running" in name or "tracked" in name for name in changed)


def test_selective_backprop_looks_at_nothing_in_its_dense_epochs(splits):
    settings = TrainSettings(skip="selective-backprop", dense_start=0.5, **{**QUICK, "epochs": 2})
    trainer, passes = build_trainer(splits, settings), []
    trainer.model.register_forward_hook(lambda *_: passes.append(trainer.model.training))
    rows = [trainer.train_epoch() for _ in range(2)]
    counts = [(row["images_forwarded"], row["images_trained"]) for row in rows]
    assert counts == [(512, 512), (512 + 256, 256)]
    assert sum(passes) == 8 + 2 * 8  # steps, and looks in the second epoch alone


def test_what_fails_in_its_first_epoch_leaves_nothing(splits, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk")

    monkeypatch.setattr(Trainer, "train_epoch", fail)
    with pytest.raises(OSError, match="disk"):
        train(splits, TrainSettings(**QUICK), out=tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def test_a_run_from_before_a_setting_was_there_goes_on(splits, tmp_path):
    train(splits, TrainSettings(**QUICK), out=tmp_path / "run")
    config = tmp_path / "run/config.json"
    stored = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in stored.items() if k != "batch_shrink"}))
    train(splits, TrainSettings(**QUICK), out=tmp_path / "run", resume=True)
    other = TrainSettings(**QUICK, batch_shrink=0.5)
    with pytest.raises(InvalidValueError, match=r"batch_shrink: expected 0.0 .*got 0.5"):
        train(splits, other, out=tmp_path / "run", resume=True)


def test_a_finished_run_is_not_run_again(splits, tmp_path):
    settings = TrainSettings(**QUICK)
    first = train(splits, settings, out=tmp_path / "run")
    files = {p.name for p in (tmp_path / "run").iterdir()}
    for left in (".result.json.123.tmp", "checkpoint-plain.safetensors"):  # by a kill at the end
        (tmp_path / "run" / left).write_bytes(b"half")
    ran = []
    again = train(splits, settings, out=tmp_path / "run", resume=True, on_step=ran.append)
    assert again == first
    assert not ran
    assert {p.name for p in (tmp_path / "run").iterdir()} == files


def test_another_run_is_not_continued_nor_overwritten(splits, tmp_path):
    train(splits, TrainSettings(**QUICK), out=tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    with pytest.raises(RunExistsError, match="holds another run"):
        train(splits, TrainSettings(**QUICK), out=tmp_path / "run")
    with pytest.raises(InvalidValueError, match="seed: expected 0 as the run"):
        train(splits, TrainSettings(**QUICK, seed=1), out=tmp_path / "run", resume=True)
    assert {p: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_stops_at_the_target(splits):
    result = train(splits, TrainSettings(**{**QUICK, "epochs": 50}, target=0.5))
    assert len(result["epochs"]) < 50
    assert result["test_accuracy"] >= 0.5


@pytest.mark.parametrize(
    ("skip", "tier"), [("none", None), ("imprint", "gate"), ("imprint", "plan")]
)
def test_a_loss_that_is_no_number_stops_the_run_and_says_where(splits, tmp_path, skip, tier):
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Fails(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x / 0 if self.training and x.shape[0] > 2 else x\n"
        "def build(num_classes):\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), Fails(), nn.Flatten(),\n"
        "                         nn.Linear(784, num_classes))\n"
    )
    settings = TrainSettings(
        **{**QUICK, "model": f"{tmp_path}/net.py:build", "layer": "0", "skip": skip, "tier": tier}
    )
    with pytest.raises(
        DivergedError, match=r"loss became nan in epoch 1 .* output is 2; dead ReLUs: 1 \d+ %"
    ):
        train(splits, settings)


def test_too_high_a_rate_is_told_and_leaves_the_folder_for_another_try(splits, tmp_path):
    settings = TrainSettings(**{**QUICK, "model": "paper", "lr": 1e20, "schedule": "constant"})
    with pytest.raises(DivergedError, match="non-finite output is conv"):
        train(splits, settings, out=tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
    train(splits, TrainSettings(**QUICK), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 1000}, InvalidValueError, "1000.*512|512.*1000"),
        ({"layer": "nowhere", "skip": "imprint"}, LayerError, "nowhere"),
        ({"model": "nowhere"}, InvalidValueError, "model"),
        ({"model": "torch.nn:Flatten"}, InvalidValueError, "model"),
        ({"precision": "16"}, DeviceError, "precision"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    splits, tmp_path, changes, error, message
):
    with pytest.raises(error, match=message):
        train(splits, TrainSettings(**{**QUICK, **changes}), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(splits):
    with pytest.raises(DeviceError, match="got cuda"):
        train(splits, TrainSettings(**{**QUICK, "device": "cuda"}))


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "meta", ""])
def test_what_names_no_device_is_told(name):
    with pytest.raises(DeviceError, match="device: expected one that is here"):
        find_device(name)


@pytest.mark.filterwarnings("ignore:precision")  # as it may be, on this processor
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step", "constant"])
def test_every_schedule_trains_with_all_options(splits, schedule):
    options = {"schedule": schedule, "clip": 1.0, "label_smoothing": 0.1, "precision": "bf16"}
    result = train(splits, TrainSettings(skip="imprint", **QUICK, **options))
    assert result["test_accuracy"] > 0.3


def test_colour_images_and_a_class_without_test_images(splits):
    colour = ImageSet(
        splits.train.images.repeat(1, 3, 1, 1), splits.train.labels, splits.train.class_names
    )
    few = splits.test.labels < 3
    test = ImageSet(
        splits.test.images[few].repeat(1, 3, 1, 1), splits.test.labels[few], splits.test.class_names
    )
    result = train(
        DataSplits("rgb", colour, test),
        TrainSettings(skip="imprint", **{**QUICK, "model": "resnet20", "epochs": 1}),
    )
    assert result["class_accuracy"][3] is None
    assert result["worst_class"]["name"] in splits.train.class_names[:3]


def test_what_the_gate_keeps_of_mnist_is_what_the_network_finds_hard():
    """The point of the rule: what it keeps by early signatures has the higher loss at the end."""
    data = load("mnist").train
    model = build_model("conv4", (1, 28, 28), 10)
    gate = SkipGate(model, layer=default_layer("conv4"), num_classes=10, keep=1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    kept, left = [], []
    for start in range(0, 9_600, 128):
        images = data.images[start : start + 128].float() / 255
        labels = data.labels[start : start + 128]
        gate.keep = 0.5 if start >= 7_680 else 1.0
        with gate(labels):
            logits = model(images)
        if gate.keep < 1:  # judge only: the network has learned from all rows so far
            losses = F.cross_entropy(model(images), labels, reduction="none").detach()
            stays = torch.zeros(128, dtype=torch.bool).index_fill(0, gate.index, value=True)
            kept.append(losses[stays].mean())
            left.append(losses[~stays].mean())
        else:
            optimizer.zero_grad()
            F.cross_entropy(logits, gate.labels).backward()
            optimizer.step()
    assert torch.stack(kept).mean() > 1.5 * torch.stack(left).mean()


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "step", "constant"])
def test_a_resumed_run_keeps_to_its_schedule(splits, tmp_path, schedule):
    settings = TrainSettings(**{**QUICK, "epochs": 4}, schedule=schedule)
    whole = train(splits, settings, out=tmp_path / "whole")
    steps = itertools.count(1)

    def interrupt(_):
        if next(steps) == 11:  # before the step schedule's first drop, at 16 of 32
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(splits, settings, out=str(tmp_path / "cut"), on_step=interrupt)
    resumed = train(splits, settings, out=tmp_path / "cut", resume=True)
    assert without_times(resumed) == without_times(whole)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert len({row["learning_rate"] for row in whole["epochs"]}) == {
        "one-cycle": 4, "cosine": 4, "step": 3, "constant": 1
    }[schedule]  # fmt: skip


def test_the_largest_seed_trains_too(splits):
    largest = TrainSettings(skip="imprint", **{**QUICK, "epochs": 1}, seed=2**63 - 1)
    assert train(splits, largest)["seed"] == 2**63 - 1


def test_hits_are_the_more_familiar_ones_but_where_the_paper_says_otherwise(splits):
    for skip, threshold_reading in (("imprint", None), ("cosine", None), ("paper", "formula")):
        settings = TrainSettings(skip=skip, **{**QUICK, "epochs": 1})
        result = train(splits, settings)
        assert result["threshold_reading"] == threshold_reading
        assert build_trainer(splits, settings).tiers.gate.memory.reading == (
            threshold_reading or "text"
        )


def test_warming_up_leaves_the_run_as_it_was(splits):
    settings = TrainSettings(skip="imprint", **QUICK)
    warm, cold = (build_trainer(splits, settings) for _ in range(2))
    state = torch.get_rng_state()
    warm.warm_up()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in warm.model.parameters())
    for trainer in (warm, cold):
        trainer.train_epoch()
    assert same(warm.model.state_dict(), cold.model.state_dict())


def test_what_only_a_first_step_costs_is_paid_before_a_comparison_is_timed(splits, tmp_path):
    (tmp_path / "net.py").write_text(
        "import time\nfrom torch import nn\n"
        "class SlowOnce(nn.Module):\n"
        "    slow = 2\n"
        "    def forward(self, x):\n"
        "        if self.training and SlowOnce.slow:\n"
        "            SlowOnce.slow -= 1\n"
        "            time.sleep(0.5)\n"
        "        return x\n"
        "def build(num_classes):\n"
        "    return nn.Sequential(SlowOnce(), nn.Flatten(), nn.Linear(256, num_classes))\n"
    )
    settings = TrainSettings(**{**QUICK, "epochs": 1, "model": f"{tmp_path}/net.py:build"})
    result = train(splits, settings, compare=True)
    assert result["plain"]["train_seconds"] < 0.5
