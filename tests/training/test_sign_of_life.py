"""What a run tells of itself while it goes on."""

import json

import pytest

from imprint.errors import InvalidValueError
from imprint.training import Progress, TrainSettings, train
from imprint.training.sign_of_life import PROGRESS, telling

SETTINGS = TrainSettings(epochs=2, batch_size=64, device="cpu", lr=0.1, model="paper")


def step(number):
    return Progress("plain", 0, number, 9, 0.5, 64, 0)


def test_a_run_tells_where_it_stands_until_it_has_ended(splits, tmp_path):
    seen = []

    def look(_step):
        told = json.loads((tmp_path / "run" / PROGRESS).read_text()) if seen else None
        seen.append(told)

    train(splits, SETTINGS, out=tmp_path / "run", on_step=look)
    assert seen[1] | {"loss": 0} == {
        "run": "plain",
        "epoch": 0,
        "step": 1,
        "steps": seen[1]["steps"],
        "loss": 0,
        "trained": 64,
        "skipped": 0,
        "epochs": 2,
        "class_names": list(splits.train.class_names),
    }
    assert not (tmp_path / "run" / PROGRESS).exists()


def test_it_tells_no_oftener_than_once_a_second(tmp_path, monkeypatch):
    times = iter([0.0, 0.5, 0.99, 1.0, 1.5])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    tell = telling(lambda _: None, tmp_path, epochs=1, class_names=())
    told = []
    for number in range(5):
        tell(step(number))
        told.append(json.loads((tmp_path / PROGRESS).read_text())["step"])
    assert told == [0, 0, 0, 3, 3]


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path):
    steps = []
    tell = telling(steps.append, tmp_path / "gone", epochs=1, class_names=())
    tell(step(1))
    assert len(steps) == 1


def test_a_run_that_fails_at_once_leaves_its_folder_empty(splits, tmp_path):
    def fail(_step):
        raise InvalidValueError("no more")

    with pytest.raises(InvalidValueError):
        train(splits, SETTINGS, out=tmp_path / "run", on_step=fail)
    # the sign of life is told after the caller's own step, so the first failure comes before it
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_fails_later_in_its_first_epoch_does_so_too(splits, tmp_path):
    def fail(at):
        if at.step == 2:
            raise InvalidValueError("no more")

    with pytest.raises(InvalidValueError):
        train(splits, SETTINGS, out=tmp_path / "run", on_step=fail)
    assert list((tmp_path / "run").iterdir()) == []
