"""A training's course, read while it goes on and afterwards."""

import pytest

from imprint.app.course import course_of, standing
from imprint.app.curves import COLUMNS, class_counts, course_table, courses
from imprint.app.skipped import most_skipped, shown_skips
from imprint.data import load
from imprint.runs import read_json, read_tensors

from .conftest import old


def test_a_finished_run_is_its_result(place):
    course = course_of(place / "runs" / "second")
    result = read_json(place / "runs" / "second" / "result.json")
    assert course.runs == {"plain": result["plain"], "skip": result["skip"]}
    assert course.main == result["skip"]
    assert (course.state, course.epochs) == ("done", 2)
    assert standing(course).startswith("Done after 2 epochs: ")
    one = {"skip": result["skip"] | {"epochs": result["skip"]["epochs"][:1]}}
    assert standing(course._replace(runs=one)).startswith("Done after 1 epoch: ")


def test_a_run_that_goes_on_is_its_last_checkpoint(going):
    course = course_of(going)
    note = read_tensors(going / "checkpoint-skip.safetensors")[1]
    assert course.main["epochs"] == note["epochs"]
    assert course.main["class_names"] == list("0123456789")
    assert course.state == "running"
    assert standing(course) == (
        "Running. The skip run is in epoch 2 of 3, step 1 of 9: loss 0.500, 32 images trained, "
        "300 skipped in this epoch (10% kept)."
    )


def test_a_run_that_fell_silent_says_how_far_it_came(going):
    for name in ("progress.json", "config.json"):
        old(going / name, 300)
    said = standing(course_of(going))
    assert said.startswith("This run has neither ended nor given a sign of life")
    assert "epoch 2 of 3" in said


def test_classes_whose_names_begin_alike_have_a_row_each():
    names = [f"{'a' * 40} {k}" for k in range(2)] + [f"{'b' * 20} {k} {'b' * 20}" for k in range(2)]
    run = {"class_names": names, "epochs": [{"epoch": 1, "hits_per_class": [1, 2, 3, 4]}]}
    rows = class_counts(run, "hits_per_class", "hits")["data"][0]["y"]
    assert len(set(rows)) == 4
    assert max(map(len, rows)) < 30


def test_a_run_before_its_first_epochs_end_has_no_curves_yet(going):
    (going / "checkpoint-skip.safetensors").unlink()
    course = course_of(going)
    assert course.main is None
    assert course_table(course) == []


def test_without_a_sign_of_life_classes_are_numbered(going):
    (going / "progress.json").unlink()
    course = course_of(going)
    assert course.main["class_names"][3] == "class 3"
    assert standing(course) == "Running. It has not taken a step yet."


def test_curves_show_what_the_rows_say(place):
    course = course_of(place / "runs" / "second")
    charts = courses(course)
    rows = course.runs["skip"]["epochs"]
    assert charts["Training loss"]["data"][1]["y"] == [round(r["train_loss"], 4) for r in rows]
    trained = charts["Images trained"]["data"][1]["y"]
    assert trained == [
        pytest.approx(100 * r["images_trained"] / r["images_seen"], abs=1e-3) for r in rows
    ]
    for chart in charts.values():
        for axis in ("xaxis", "yaxis"):
            assert chart["layout"][axis]["title"]["text"]


def test_counts_are_laid_out_by_class_and_epoch(place):
    run = course_of(place / "runs" / "second").main
    for key, unit in (("hits_per_class", "hits"), ("skipped_per_class", "skipped")):
        cells = class_counts(run, key, unit)["data"][0]["z"]
        assert [[row[k] for row in cells] for k in range(2)] == [r[key] for r in run["epochs"]]


def test_the_table_says_the_same(place):
    course = course_of(place / "runs" / "second")
    table = course_table(course)
    assert {len(row) for row in table} == {len(COLUMNS)}
    assert [row[:2] for row in table] == [["plain", 2], ["skip", 2], ["plain", 1], ["skip", 1]]
    first = course.runs["skip"]["epochs"][0]
    assert table[3][3] == f"{100 * first['test_accuracy']:.2f}"


def test_what_is_skipped_most_is_told_alike_before_and_after_the_end(place, going):
    images = load(str(place / "data" / "digits.npz")).train
    skips = most_skipped(going, course_of(going), images)
    counts = read_tensors(going / "checkpoint-skip.safetensors")[0]["tally/skips"]
    assert skips
    for own in skips:
        assert own.times == counts[own.row] > 0
        assert own.label == images.labels[own.row]
    done = most_skipped(place / "runs" / "second", course_of(place / "runs" / "second"), images)
    result = read_json(place / "runs" / "second" / "result.json")["skip"]
    assert done[0].row == result["most_skipped"][done[0].label][0]
    assert len(shown_skips(done, images)) == len(done)
    assert "skipped" in shown_skips(done, images)[0].note


def test_other_data_than_the_runs_show_nothing(place, going):
    images = load("mnist").test
    assert most_skipped(going, course_of(going), images) == []
