"""`EarlyExit.calibrate` of a network so small that each calibration takes an instant."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from imprint.early_exit import HEAD_KINDS, Costs, EarlyExit, calibrated
from imprint.early_exit.calibration import Choice
from imprint.errors import DamagedFileError, InvalidValueError, LayerError
from imprint.runs import read_tensors, write_tensors
from imprint.types import ImageSet, Normalisation

LABELS = torch.arange(600) % 2
IMAGES = (
    torch.rand(600, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    + LABELS[:, None, None, None]
)
FIT, HELD = TensorDataset(IMAGES[:100], LABELS[:100]), TensorDataset(IMAGES[100:], LABELS[100:])


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(HELD)


COSTS = Costs(torch.tensor([0.2]), torch.tensor([0.01]), 1.0)


@pytest.fixture
def model():
    """Answers by the mean of an image, which its first layer gives as well."""
    head = nn.Linear(16, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 16))
        head.bias.copy_(torch.tensor([16.0, -16.0]))
    return nn.Sequential(nn.Identity(), nn.Flatten(), head).eval()


@pytest.fixture(autouse=True)
def fixed_costs(monkeypatch):
    monkeypatch.setattr(
        calibrated, "measure_costs", lambda *_, **__: dict.fromkeys(HEAD_KINDS, COSTS)
    )


def calibrate(model, **given):
    usual = {"fit_on": FIT, "promise_on": HELD, "max_extra_error": 0.05, "confidence": 0.9}
    return EarlyExit.calibrate(model, **{**usual, "layers": ["0"], "kinds": ["probe"], **given})


@pytest.mark.parametrize("promise_on", [HELD, DataLoader(HELD, 64, shuffle=True)])
def test_no_random_number_is_drawn_off_the_user(model, promise_on):
    state = torch.get_rng_state()
    assert calibrate(model, promise_on=promise_on).exits
    assert torch.get_rng_state().equal(state)


def test_of_what_belongs_together_one_counts(model):
    pixels = (IMAGES[100:].clamp(0, 2) * 127).byte()
    groups = torch.arange(500) // 2 * 3
    alone = ImageSet(pixels, LABELS[100:], ("dark", "bright"), Normalisation((0.0,), (0.5,)))
    joined = replace(alone, groups=groups, labels=(groups // 3) % 2)
    tested = [calibrate(model, promise_on=part).tested for part in (alone, joined)]
    assert tested[0] == pytest.approx(2 * tested[1], abs=2)
    few = joined.taken(groups < 3 * 20)
    with pytest.raises(InvalidValueError, match=r"promise_on: expected at least .* got 20"):
        calibrate(model, promise_on=few)


def test_batches_of_one_image_will_do(model):
    expected = calibrate(model)
    assert calibrate(model, batch_size=1).tested == expected.tested
    ones = DataLoader(HELD, 1)
    for promise_on in (ones, iter(ones)):
        found = calibrate(model, promise_on=promise_on)
        assert found.tested == expected.tested
        assert found.exits[0].threshold == pytest.approx(expected.exits[0].threshold, rel=1e-4)


def test_inference_mode_and_autocast_change_nothing(model):
    expected = calibrate(model).exits[0]
    with torch.inference_mode():
        assert calibrate(model).exits[0].threshold == expected.threshold
    with torch.autocast("cpu", torch.bfloat16):
        found = calibrate(model, layers=["0"]).exits[0]
    assert found.head.weight.equal(expected.head.weight)
    assert found.threshold == expected.threshold


def test_exits_that_stay_closed_are_left_out(model, monkeypatch, tmp_path):
    choice = Choice("probe", (0, 1), (math.inf, 2.0), ())
    monkeypatch.setattr(calibrated, "choose_exits", lambda *_, **__: choice)
    exits = calibrate(model, layers=["0", "1"])
    assert [own.layer for own in exits.exits] == ["1"]
    assert exits.reference.shape == (2, 500)
    assert EarlyExit.load(exits.save(tmp_path / "e.safetensors")).exits[0].shape == (16,)


def nothing_finite():
    return TensorDataset(torch.full_like(IMAGES, torch.nan), LABELS)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"batch_size": 0}, InvalidValueError, "batch_size: expected at least 1, got 0"),
        ({"batch_size": "8"}, InvalidValueError, "batch_size: expected a whole number, got '8'"),
        ({"seed": 0.5}, InvalidValueError, "seed: expected a whole number, got 0.5"),
        ({"seed": -1}, InvalidValueError, "seed: expected at least 0, got -1"),
        ({"seed": 2**64}, InvalidValueError, r"seed: expected at most 2\^63"),
        ({"max_extra_error": "0.1"}, InvalidValueError, "max_extra_error: .* got '0.1'"),
        ({"confidence": None}, InvalidValueError, "confidence: .* got None"),
        ({"tuning_share": "a"}, InvalidValueError, r"tuning_share: .* \(0, 1\), got 'a'"),
        ({"tuning_share": 1e-9}, InvalidValueError, "tuning_share: expected at least one sample"),
        ({"layers": "block1"}, LayerError, "layers: expected a list of names, got 'block1'"),
        ({"kinds": "probe"}, InvalidValueError, "kinds: expected a list of prototype, probe, mlp"),
        ({"promise_on": (IMAGES, LABELS)}, InvalidValueError, "promise_on: .* got Tensor"),
        ({"fit_on": (IMAGES, LABELS)}, InvalidValueError, "fit_on: .* got Tensor"),
        ({"fit_on": {"x": IMAGES}}, InvalidValueError, "fit_on: expected a data set .* got dict"),
        ({"promise_on": "mnist"}, InvalidValueError, "promise_on: expected a data set .* got str"),
        (
            {"promise_on": [{"image": IMAGES, "label": LABELS}]},
            InvalidValueError,
            r"promise_on: expected batches \(images, labels\).*; got dict",
        ),
        ({"promise_on": [(IMAGES, LABELS[:, None])]}, InvalidValueError, r"labels \(600, 1\)"),
        ({"promise_on": [(IMAGES, LABELS / 2)]}, InvalidValueError, "labels .* torch.float32"),
        ({"promise_on": [(IMAGES, [0, 1])]}, InvalidValueError, r"got \(Tensor, list\)"),
        ({"fit_on": Endless()}, InvalidValueError, "fit_on: .* a loader of an IterableDataset"),
        ({"promise_on": []}, InvalidValueError, "promise_on: .* fewer than two"),
        ({"fit_on": []}, InvalidValueError, "fit_on: expected at least one sample, got none"),
        ({"fit_on": [(IMAGES[::2], LABELS[::2])]}, InvalidValueError, "fit_on: .* got none of 1"),
        ({"fit_on": nothing_finite()}, InvalidValueError, "fit_on: expected finite maps at '0'"),
        (
            {"fit_on": [(IMAGES.view(600, 1, 2, 8), LABELS)]},
            InvalidValueError,
            r"fit_on: expected .* maps \(1, 4, 4\) at '0'; got \(1, 2, 8\)",
        ),
    ],
)
def test_mistakes_are_told(model, given, error, message):
    with pytest.raises(error, match=message):
        calibrate(model, **given)


def test_what_is_no_classifier_is_told(model):
    with pytest.raises(InvalidValueError, match=r"model: expected an nn.Module, got function"):
        calibrate(lambda images: images)
    sure = nn.Sequential(*model, nn.Softmax(1)).eval()
    with pytest.raises(InvalidValueError, match="model: expected logits, got probabilities"):
        calibrate(sure)


def test_held_out_samples_that_were_learnt_from_are_warned_of(model):
    pairs = TensorDataset(IMAGES, LABELS)
    first, second = (Subset(pairs, range(start, start + 400)) for start in (0, 200))
    with pytest.warns(UserWarning, match="not trained on; 200 of 400 are in fit_on"):
        calibrate(model, fit_on=first, promise_on=second)


def test_a_model_whose_exits_are_open_is_not_calibrated(model):
    with (
        calibrate(model)(model),
        pytest.raises(LayerError, match="model: expected one without open exits"),
    ):
        calibrate(model)


@pytest.mark.parametrize(
    "wrong", [{"kind": "best"}, {"exits": ["0"]}, {"exits": {}, "promise": [1]}, "weight"]
)
def test_damaged_exits_are_told(model, wrong, tmp_path):
    tensors, note = read_tensors(calibrate(model).save(tmp_path / "exits.safetensors"))
    if wrong == "weight":
        tensors["0.weight"] = tensors["0.weight"][0]
    else:
        note |= wrong
    with pytest.raises(DamagedFileError, match="expected early exits"):
        EarlyExit.load(write_tensors(tmp_path / "wrong.safetensors", tensors, note))


def test_labels_may_be_truth_values_and_numbers_double_by_default(model):
    held = [(IMAGES[100:], LABELS[100:])]
    given = {"max_extra_error": 0.05, "confidence": 0.9, "layers": ["0"]}
    expected = EarlyExit.calibrate(model, fit_on=FIT, promise_on=held, **given)
    truths = [(IMAGES[100:], LABELS[100:].bool())]
    torch.set_default_dtype(torch.float64)
    try:
        found = EarlyExit.calibrate(model, fit_on=FIT, promise_on=truths, **given)
    finally:
        torch.set_default_dtype(torch.float32)
    assert [own.layer for own in found.exits] == [own.layer for own in expected.exits] == ["0"]
