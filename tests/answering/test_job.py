import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from imprint.answering import ExitSettings, answer_early, job
from imprint.answering.speed import measure_speed
from imprint.data import normalise
from imprint.early_exit import HEAD_KINDS, Costs, EarlyExit, Exit, Head, calibrated
from imprint.errors import ImprintError, InvalidValueError
from imprint.taps import timing
from imprint.types import ImageSet, Normalisation

SCALE = Normalisation((0.5,), (0.25,))


class Slow(nn.Module):
    """Takes its time, and counts the rows that it gets."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def forward(self, values):
        self.rows.append(len(values))
        for _ in range(30):
            values = values + 0
        return values


def lights(count, seed):
    """Bright and dark images; some are so dim that only their corner tells the class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    bright = 100 + 100 * labels + torch.randint(-40, 40, (count,), generator=generator)
    images = bright[:, None, None, None].expand(-1, 1, 6, 6).clone()
    dim = torch.rand(count, generator=generator) < 0.2
    images[dim] = 150
    images[:, :, 0, 0] = 250 * labels[:, None]
    images[:, :, 0, 1] = 250 - 250 * labels[:, None]  # so that mean and deviation do not tell
    return ImageSet(images.byte(), labels, ("dark", "bright"))


@pytest.fixture
def model():
    """Answers by the corner alone, which its first layer averages away."""
    head = nn.Linear(36, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[:, 0] = torch.tensor([-5.0, 5.0])
        head.bias.zero_()
    return nn.Sequential(nn.Identity(), Slow(), nn.Flatten(), head).eval()


@pytest.fixture(autouse=True)
def fixed_costs(monkeypatch):
    costs = Costs(torch.tensor([0.1]), torch.tensor([0.01]), 1.0)
    for user in (calibrated, job):
        monkeypatch.setattr(
            user, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, costs)
        )


def settings(**given):
    return ExitSettings(
        **{"layers": ("0",), "head": "probe", "max_extra_error": 0.02, "batch_size": 64, **given}
    )


def test_what_is_known_early_is_answered_early(model, tmp_path):
    stages = []
    found = answer_early(
        model,
        lights(600, 0),
        lights(3000, 1),
        SCALE,
        settings=settings(measured_batches=(1, 64)),
        on_stage=stages.append,
    )
    result = found.result
    early, end = result["exits"]
    assert (early["layer"], end["layer"]) == ("0", "end")
    assert 0.25 < early["share"] < 0.95
    assert early["share"] + end["share"] == pytest.approx(1)
    lost = result["extra_error"] / early["share"]  # the full network is always right
    assert early["accuracy"] == pytest.approx(1 - lost)
    assert early["time_saved"] == pytest.approx(early["share"] * 0.89)
    assert end["time_saved"] == pytest.approx(-0.01 * end["share"])  # the head answers in vain
    assert end["accuracy"] == end["full_accuracy"]
    assert result["extra_error"] == pytest.approx(
        result["full_accuracy"] - result["early_accuracy"]
    )
    assert result["extra_error"] <= 0.02
    assert result["full_accuracy"] == 1.0
    assert (result["tested_on"], result["measured_on"]) == (1000, 1500)
    assert list(result["time_ratio"]) == ["1", "64"]
    assert stages == ["calibrate", "answer", "time"] == list(result["seconds"])
    found.write(tmp_path, "imprint early-exit …")
    assert json.loads((tmp_path / "result.json").read_text()) == result
    page = (tmp_path / "report.html").read_text()
    assert "at 0:" in page
    assert "to the end:" in page
    assert EarlyExit.load(tmp_path / "exits.safetensors").exits[0].layer == "0"


def test_without_an_exit_that_keeps_the_promise_all_go_to_the_end(model, tmp_path):
    generator = torch.Generator().manual_seed(0)
    noise = [
        ImageSet(
            torch.randint(0, 256, (n, 1, 6, 6), generator=generator).byte(),
            torch.randint(0, 2, (n,), generator=generator),
            ("a", "b"),
        )
        for n in (600, 3000)
    ]
    for part in noise:
        part.images[:, :, 0, 0] = 250 * part.labels[:, None].byte()
        part.images[:, :, 0, 1] = 250 - 250 * part.labels[:, None].byte()  # the mean tells nothing
    found = answer_early(model, *noise, SCALE, settings=settings(measured_batches=(64,)))
    assert [row["layer"] for row in found.result["exits"]] == ["end"]
    found.to_html(tmp_path / "report.html")
    assert "all images go to the end" in (tmp_path / "report.html").read_text()


class InTuple(nn.Module):
    """Gives its logits in a tuple, with something else."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images), None


def test_a_model_may_give_its_logits_in_a_tuple(model):
    plain, wrapped = (
        answer_early(
            own, lights(600, 0), lights(3000, 1), SCALE,
            settings=settings(layers=(layer,), measured_batches=(64,)),
        ).result
        for own, layer in ((model, "0"), (InTuple(model), "model.0"))
    )  # fmt: skip
    same = ("full_accuracy", "early_accuracy", "extra_error", "agreement")
    assert {key: wrapped[key] for key in same} == {key: plain[key] for key in same}


def test_images_are_scaled_a_batch_at_a_time(model, monkeypatch):
    seen = []

    def watched(pixels, *given, **options):
        seen.append(len(pixels))
        return normalise(pixels, *given, **options)

    monkeypatch.setattr(job, "normalise", watched)
    held = lights(6000, 1)
    answer_early(model, lights(600, 0), held, SCALE, settings=settings(measured_batches=(64,)))
    assert max(seen) == 2048  # those that are timed
    assert sum(size <= 64 for size in seen) == 2 * 47 + 1


def test_the_seed_draws_what_calibrates(model):
    results = [
        answer_early(
            model,
            lights(600, 0),
            lights(2400, 1),
            SCALE,
            settings=settings(seed=seed, measured_batches=(64,)),
        ).result["exits"][0]["share"]
        for seed in (0, 0, 1)
    ]
    assert results[0] == results[1] != results[2]


def test_tracks_are_calibrated_on_or_measured_on_and_one_excerpt_of_each_counts(model, monkeypatch):
    held = lights(3000, 1)
    tracks = torch.arange(3000) // 3
    held = replace(held, groups=tracks, labels=tracks % 2)
    seen = {}

    def calibrate(_model, **given):
        seen.update(given)
        raise StopIteration

    monkeypatch.setattr(job.EarlyExit, "calibrate", calibrate)
    with pytest.raises(StopIteration):
        answer_early(model, lights(100, 0), held, SCALE, settings=settings(calibration_share=0.4))
    assert len(seen["promise_on"].groups.unique()) == 400
    assert len(seen["promise_on"]) == 1200
    few = settings(calibration_share=0.001)
    with pytest.raises(
        InvalidValueError, match=r"expected tracks in both shares, got 0\.001 of 1 t"
    ):
        answer_early(model, lights(100, 0), held.taken(tracks == 0), SCALE, settings=few)


@pytest.mark.parametrize(("asked", "measured"), [((1, 64, 5000), ["1", "64"]), ((5000,), ["1200"])])
def test_time_is_measured_of_batches_that_there_are_images_for(model, asked, measured):
    given = settings(measured_batches=asked)
    result = answer_early(model, lights(600, 0), lights(2400, 1), SCALE, settings=given).result
    assert list(result["time_ratio"]) == measured


def test_classes_that_differ_are_an_error(model):
    other = ImageSet(*(getattr(lights(100, 0), name) for name in ("images", "labels")), ("a", "b"))
    with pytest.raises(InvalidValueError, match="held_out: expected the classes of trained_on"):
        answer_early(model, lights(100, 0), other, SCALE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"head": "best"}, "head: expected auto, prototype, probe, mlp, got 'best'"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"batch_size": 8.0}, "batch_size: expected a whole number, got 8.0"),
        ({"seed": "a"}, "seed: expected a whole number, got 'a'"),
        ({"layers": "block1"}, "layers: expected a list of names, got 'block1'"),
        ({"calibration_share": "half"}, r"calibration_share: expected .* got 'half'"),
        ({"max_extra_error": None}, "max_extra_error: expected .* got None"),
        ({"measured_batches": (1.5,)}, "measured_batches: expected at least 1"),
        ({"measured_batches": ()}, "measured_batches: expected at least 1"),
        ({"calibration_share": 1.0}, r"calibration_share: expected a value in \(0, 1\), got 1.0"),
        ({"confidence": 1.5}, r"confidence: expected a value in \(0, 1\), got 1.5"),
    ],
)
def test_settings_out_of_range(given, message):
    with pytest.raises(ImprintError, match=message):
        settings(**given)


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_both_shares_need_images_before_any_work(model, share):
    stages = []
    with pytest.raises(InvalidValueError, match="calibration_share: expected images in both"):
        answer_early(
            model, lights(100, 0), lights(100, 1), SCALE,
            settings=settings(calibration_share=share), on_stage=stages.append,
        )  # fmt: skip
    assert stages == []


def test_images_that_were_learnt_from_are_warned_of(model):
    few = lights(100, 0)
    with (
        pytest.warns(UserWarning, match="100 of 100 are in fit_on"),
        pytest.raises(InvalidValueError, match="promise_on: expected at least"),
    ):
        answer_early(model, few, few, SCALE)


def test_speed_is_of_the_images_that_run(model):
    head = Head(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(2))
    everything = EarlyExit((Exit("0", (1, 6, 6), head, 0.0),))
    rows = model[1].rows
    speed = measure_speed(model, everything, torch.ones(40, 1, 6, 6), 8, seconds=0)
    assert (speed.batch_size, speed.images) == (8, 40)
    rounds = timing.FEWEST + 1  # one of them to warm up
    assert sum(rows) == 40 * rounds  # the full network's turns only
    assert speed.low <= speed.ratio <= speed.high
    assert min(speed.full, speed.early) > 0
