import json

import pytest

from imprint.errors import InvalidValueError, RunExistsError
from imprint.reproduce import experiments_of, reproduce
from imprint.reproduce import job as reproduce_job
from imprint.reproduce.cells import Cell
from imprint.reproduce.findings import Finding
from imprint.reproduce.verdicts import judge_statement


class Small:
    """An experiment whose work takes no time; it counts how often it is done."""

    done = 0

    seeds = 10

    def work(self, seed):
        self.done += 1
        return {"seed": seed}

    def cells(self, seeds):
        return [Cell(f"small-{seed}", self.work, {"seed": seed}) for seed in range(seeds)]

    def finding(self, results, seeds):
        held = [results[f"small-{seed}"]["seed"] == seed for seed in range(seeds)]
        claim = judge_statement("a < b", held, ours="", because="seeds")
        return Finding("figure-7", "Small & short", "Is it?", "It is.", claims=[claim])


@pytest.fixture
def small(monkeypatch):
    experiment = Small()
    monkeypatch.setattr(reproduce_job, "_experiment", lambda name: experiment)
    return experiment


def test_a_reproduction_writes_result_and_report(small, tmp_path):
    out = tmp_path / "paper"
    result = reproduce(["figure-7"], out=out, seeds=2, note={"command_line": "imprint reproduce"})
    assert result == json.loads((out / "result.json").read_text())
    assert result["seeds"] == {"figure-7": 2}
    assert result["findings"][0]["claims"][0]["verdict"] == "holds"
    page = (out / "report.html").read_text()
    assert "Small &amp; short" in page
    assert "a &lt; b" in page
    assert json.loads((out / "config.json").read_text())["experiments"] == ["figure-7"]


def test_it_goes_on_with_more_seeds_where_it_was_stopped(small, tmp_path):
    out = tmp_path / "paper"
    reproduce(["figure-7"], out=out, seeds=2)
    reproduce(["figure-7"], out=out, seeds=5, resume=True)
    assert small.done == 5


def test_an_experiment_that_is_added_leaves_the_others(small, tmp_path):
    out = tmp_path / "paper"
    reproduce(["figure-7"], out=out, seeds=1)
    result = reproduce(["figure-2"], out=out, seeds=1, resume=True)
    assert list(result["seeds"]) == ["figure-2", "figure-7"]
    assert json.loads((out / "config.json").read_text())["experiments"] == ["figure-2", "figure-7"]


def test_a_folder_that_holds_a_reproduction_is_not_taken_for_another(small, tmp_path):
    reproduce(["figure-7"], out=tmp_path / "paper", seeds=1)
    with pytest.raises(RunExistsError):
        reproduce(["figure-7"], out=tmp_path / "paper", seeds=1)
    with pytest.raises(InvalidValueError, match="resume: expected the folder of a reproduction"):
        reproduce(["figure-7"], out=tmp_path, seeds=1, resume=True)


def test_the_settings_of_another_run_are_not_written_over(small, tmp_path):
    told = tmp_path / "config.json"
    told.write_text('{"command": "train", "model": "paper"}')
    with pytest.raises(InvalidValueError, match=r"resume: expected .*, a run of train"):
        reproduce(["figure-7"], out=tmp_path, seeds=1, resume=True)
    assert json.loads(told.read_text()) == {"command": "train", "model": "paper"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["figure-11"]}, "experiment: expected all, base"),
        ({"names": []}, "experiment: .*got none"),
        ({"seeds": 0}, "seeds: expected at least 1, got 0"),
        ({"workers": 0}, "workers: expected at least 1, got 0"),
    ],
)
def test_what_will_not_do_is_refused_before_a_folder_is_there(small, tmp_path, arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        reproduce(**{"names": ["figure-7"], "out": tmp_path / "paper", **arguments})
    assert not (tmp_path / "paper").exists()


def test_all_is_the_paper_in_its_order():
    names = experiments_of(["all"])
    assert names[0] == "base"
    assert experiments_of(["figure-8", "all", "base"]) == names
