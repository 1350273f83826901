import json

import pytest

from imprint.reproduce import job
from imprint.reproduce.cells import Cell
from imprint.reproduce.findings import Finding
from imprint.reproduce.verdicts import judge_gain


class Quick:
    """An experiment whose work takes no time."""

    seeds = 10

    def work(self, seed):
        return {"gain": 2.0 + 0.1 * seed}

    def cells(self, seeds):
        return [Cell(f"quick-{seed}", self.work, {"seed": seed}) for seed in range(seeds)]

    def finding(self, results, seeds):
        gains = [results[f"quick-{seed}"]["gain"] for seed in range(seeds)]
        claim = judge_gain("The cache [gains] after ten epochs of training", 2.4, gains)
        return Finding("figure-7", "Accelerated learning", "Is it?", "It is.", claims=[claim])


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(job, "_experiment", lambda name: Quick())


@pytest.mark.usefixtures("quick")
def test_prints_claims_with_verdicts_and_writes_whole_files(imprint, tmp_path):
    out = tmp_path / "paper"
    code, stdout, stderr = imprint("reproduce", "figure-7", "--workers", 1, "--out", out)
    assert code == 0, stderr
    assert "Accelerated learning" in stdout
    assert "[gains]" in stdout
    assert max(map(len, stdout.splitlines()[:-2])) <= 80
    assert stderr.splitlines()[-1].startswith("  10 of 10  quick-9")
    assert json.loads((out / "result.json").read_text())["seeds"] == {"figure-7": 10}
    assert "reproduce figure-7" in json.loads((out / "config.json").read_text())["command_line"]
    assert "imprint reproduce figure-7" in (out / "report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_goes_on_with_more_seeds_and_prints_json_alone(imprint, tmp_path):
    given = ("reproduce", "figure-7", "--workers", 1, "--out", tmp_path / "paper")
    assert imprint(*given, "--seeds", 2)[0] == 0
    code, stdout, _ = imprint(*given, "--seeds", 3, "--resume", "--json")
    assert code == 0
    assert json.loads(stdout)["findings"][0]["claims"][0]["verdict"] == "holds"


@pytest.mark.usefixtures("quick")
def test_goes_on_with_what_was_asked_before(imprint, tmp_path):
    given = ("reproduce", "--workers", 1, "--out", tmp_path / "paper")
    assert imprint(*given, "figure-7", "--seeds", 2)[0] == 0
    code, stdout, _ = imprint(*given, "--resume", "--json")
    assert code == 0
    assert json.loads(stdout)["seeds"] == {"figure-7": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure-11"], "experiment: expected all, base, figure-1"),
        (["--resume"], "resume: expected --out with the folder to go on in, got none"),
        (["figure-7", "--seeds", "0"], "seeds: expected at least 1, got 0"),
        (["figure-7", "--workers", "0"], "workers: expected at least 1, got 0"),
    ],
)
def test_a_mistake_is_one_line(imprint, arguments, message):
    code, stdout, stderr = imprint("reproduce", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"imprint: error: {message}")
    assert stderr.count("\n") == 1
