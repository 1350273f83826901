import json
from dataclasses import replace

import pytest
import torch

from imprint.benchmarking import FROZEN, METHODS, BenchSettings, bench_skip
from imprint.errors import DamagedFileError, DivergedError, InvalidValueError, RunExistsError
from imprint.report import bench_report
from imprint.skipping import keep_at
from imprint.training import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, ImageSet

BASE = TrainSettings(epochs=4, batch_size=16, device="cpu", dense_start=0.25, augment=False)
UNFROZEN = tuple(name for name in METHODS if name not in FROZEN)
"""Methods whose operations follow from the images alone."""
ROW = {
    *("method", "keep", "seed", "accuracy", "worst_class", "seconds", "images_loaded"),
    *("images_forwarded", "images_backwarded", "flops"),
}
SUMMARY = {
    *("accuracy_mean", "accuracy_low", "accuracy_high", "seconds_mean", "time_saved"),
    *("accuracy_difference", "accuracy_difference_low", "accuracy_difference_high"),
}


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 3
    images = torch.randint(60, (96, 1, 16, 16), dtype=torch.uint8, generator=generator)
    images += (labels * 80)[:, None, None, None].byte()
    return DataSplits("three", *[ImageSet(images, labels, ("a", "b", "c"))] * 2)


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    settings = BenchSettings(base=BASE, methods=UNFROZEN, keeps=(0.5,), seeds=1)
    return bench_skip(data, settings, out=tmp_path_factory.mktemp("bench") / "all")


def by_method(result):
    return {row["method"]: row for row in result["rows"]}


def test_rows_and_summary_have_their_keys(result):
    assert all(row.keys() >= ROW for row in result["rows"])
    assert all(row.keys() >= SUMMARY for row in result["summary"])
    assert [row["method"] for row in result["summary"]] == list(UNFROZEN)


def test_images_are_counted_where_they_cost(result):
    """96 images, 4 epochs; half of them in all but the first epoch: 96 + 3 · 48 = 240."""
    rows = by_method(result)

    def counts(method):
        names = ("images_loaded", "images_forwarded", "images_backwarded")
        return tuple(rows[method][name] for name in names)

    assert counts("plain") == (384, 384, 384)
    for method in ("random", "imprint", "orderdp", "top"):
        assert counts(method) == (240, 240, 240), method
    assert counts("imprint-gate") == (384, 384, 240)
    assert counts("selective-backprop") == (384, 384 + 3 * 48, 240)
    assert counts("matched")[0] == 3 * 96  # 1 + 0.5 · 3 epochs, rounded up
    loaded, forwarded, trained = counts("kakurenbo")
    assert loaded == forwarded >= trained


def test_operations_follow_from_the_images(result):
    rows = by_method(result)
    each = rows["plain"]["flops"] / 384
    assert rows["random"]["flops"] == pytest.approx(240 * each)
    gate = rows["imprint-gate"]["flops"]
    assert 240 * each < gate < 384 * each  # what enters runs up to the layer, what stays runs on
    looked = 3 * 96 * each / 3  # a forward pass is a third of a step
    trained = 96 * each + 3 * 48 * each
    assert rows["selective-backprop"]["flops"] == pytest.approx(trained + looked, rel=0.1)


def test_what_is_frozen_has_no_operations_backward(result, data, tmp_path):
    """Frozen from the second epoch on, unless a method says otherwise; plain and matched never."""
    settings = BenchSettings(
        base=replace(BASE, freeze_after={"block1": 0.25}),
        methods=("plain", "freezing", "matched", "imprint", "imprint-unfrozen"),
        seeds=1,
    )
    before, frozen = by_method(result), by_method(bench_skip(data, settings, out=tmp_path / "a"))
    each = before["plain"]["flops"] / 384
    saved = 2 * 16 * 16 * 9 * 16 + 2 * 8 * 8 * 9 * 16 * 32  # block 1's weights, block 2's input
    for method in ("plain", "matched", "imprint-unfrozen"):
        usual = method.removesuffix("-unfrozen")
        assert frozen[method]["flops"] == pytest.approx(before[usual]["flops"]), method
    assert frozen["imprint"]["flops"] == pytest.approx(240 * each - 144 * saved)
    assert frozen["freezing"]["flops"] == pytest.approx(384 * each - 288 * saved)


def test_a_stopped_benchmark_goes_on_and_ends_the_same(data, tmp_path, monkeypatch):
    settings = BenchSettings(base=BASE, methods=("random", "infobatch"), seeds=2)
    whole = bench_skip(data, settings, out=tmp_path / "whole")
    turns, train_epoch = [], Trainer.train_epoch

    def stopping(self):
        turns.append(self.name)
        if len(turns) == 20:
            raise KeyboardInterrupt
        return train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        bench_skip(data, settings, out=tmp_path / "cut")
    done = len(turns)
    again = bench_skip(data, settings, out=tmp_path / "cut", resume=True)
    assert len(turns) == done + 24 - 19  # nothing is trained twice
    keys = ROW - {"seconds"}
    assert [{k: row[k] for k in keys} for row in again["rows"]] == [
        {k: row[k] for k in keys} for row in whole["rows"]
    ]
    assert not list((tmp_path / "cut").glob("checkpoint-*"))
    assert json.loads((tmp_path / "cut" / "result.json").read_text())["rows"] == again["rows"]


def test_seeds_may_grow_but_nothing_else(data, tmp_path):
    settings = BenchSettings(base=BASE, methods=("random",), seeds=1)
    first = bench_skip(data, settings, out=tmp_path / "bench")
    more = bench_skip(data, replace(settings, seeds=2), out=tmp_path / "bench", resume=True)
    assert more["rows"][:2] == first["rows"]
    other = replace(settings, seeds=2, base=replace(BASE, epochs=5))
    with pytest.raises(InvalidValueError, match="epochs: expected 4 as the runs in"):
        bench_skip(data, other, out=tmp_path / "bench", resume=True)
    with pytest.raises(InvalidValueError, match=r"seeds: expected 2 as the runs in .* at least"):
        bench_skip(data, settings, out=tmp_path / "bench", resume=True)
    with pytest.raises(RunExistsError):
        bench_skip(data, settings, out=tmp_path / "bench")
    config = tmp_path / "bench/config.json"  # as from before a setting was there
    stored = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in stored.items() if k != "batch_shrink"}))
    again = bench_skip(data, replace(settings, seeds=2), out=tmp_path / "bench", resume=True)
    assert again["rows"] == more["rows"]


def test_what_a_killed_bench_left_is_cleared_and_what_is_damaged_is_told(data, tmp_path):
    settings, out = BenchSettings(base=BASE, methods=("random",), seeds=1), tmp_path / "bench"
    bench_skip(data, settings, out=out)
    for name in ("checkpoint-0-plain.safetensors", ".checkpoint-0-plain.safetensors.7.tmp"):
        (out / name).touch()
    bench_skip(data, settings, out=out, resume=True)
    assert not list(out.glob("*checkpoint*"))
    (out / "seed-0.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"seed-0.json: expected rows; delete it"):
        bench_skip(data, settings, out=out, resume=True)


def test_what_a_plan_has_its_controls_do_not():
    base = replace(BASE, skip="imprint", hold_suspects=True, batch_shrink=0.5)
    runs = BenchSettings(base=base, methods=("matched", "imprint"), keeps=(0.5,)).runs(0)
    held = {name: (s.skip, s.hold_suspects, s.batch_shrink) for name, (_, _, s) in runs.items()}
    nothing = ("none", False, 0.0)
    ours = ("imprint", True, 0.5)
    assert held == {"plain": nothing, "matched-0.5": nothing, "imprint-0.5": ours}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ("plain", "magic")}, "methods: expected some of plain, .*got 'magic'"),
        ({"keeps": (0.5, 0.0)}, r"keeps: expected shares in \(0, 1\], got 0.0"),
        ({"seeds": 0}, "seeds: expected at least 1, got 0"),
        ({"keeps": ()}, "keeps: expected at least one, got none"),
    ],
)
def test_what_cannot_be_set_side_by_side_is_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        BenchSettings(base=BASE, **arguments)


def test_a_control_never_has_less_compute_than_what_it_controls():
    for epochs in range(1, 40):
        for keep in (0.1, 0.35, 0.5, 0.9):
            base = replace(BASE, epochs=epochs, dense_start=0.05)
            settings = BenchSettings(base=base, methods=("matched",), keeps=(keep,))
            share = sum(keep_at(e / epochs, keep=keep, dense_start=0.05) for e in range(epochs))
            assert 0 <= settings.runs(0)[f"matched-{keep:g}"][2].epochs - share + 1e-9 < 1


def test_a_run_that_diverges_does_not_end_the_others(data, tmp_path, monkeypatch):
    train_epoch = Trainer.train_epoch

    def failing(self):
        if self.name == "random-0.5" and self.epoch == 1:
            raise DivergedError("loss became nan")
        return train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", failing)
    settings = BenchSettings(base=BASE, methods=("random", "imprint"), seeds=1)
    result = bench_skip(data, settings, out=tmp_path / "bench")
    rows = by_method(result)
    assert (rows["random"]["accuracy"], rows["random"]["diverged"]) == (None, "loss became nan")
    assert rows["imprint"]["accuracy"] is not None
    summary = {row["method"]: row for row in result["summary"]}
    assert (summary["random"]["seeds"], summary["random"]["diverged"]) == (0, 1)
    stored = json.loads((tmp_path / "bench" / "result.json").read_text())
    assert stored["summary"][1]["accuracy_mean"] is None
    assert "diverged" in bench_report(stored)


def test_what_cannot_be_run_leaves_no_folder(data, tmp_path):
    settings = BenchSettings(base=replace(BASE, batch_size=64), methods=("random",), keeps=(0.1,))
    with pytest.raises(InvalidValueError, match="batch_size: expected 1 … 10"):
        bench_skip(data, settings, out=tmp_path / "bench")
    assert not (tmp_path / "bench").exists()
