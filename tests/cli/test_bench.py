import json

import numpy as np
import pytest

QUICK = ("--model", "paper", "--epochs", "2", "--batch-size", "16", "--device", "cpu")


@pytest.fixture
def data(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (64, 16, 16), dtype=np.uint8)
    labels = np.arange(64) % 2
    path = tmp_path / "small.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    return path


def test_prints_a_table_and_writes_whole_files(imprint, data, tmp_path):
    out = tmp_path / "bench"
    methods = "random,partial-forward-blocking"
    code, stdout, stderr = imprint(
        "bench", "skip", data, *QUICK, "--methods", methods, "--seeds", 1, "--out", out
    )
    assert code == 0, stderr
    lines = stdout.splitlines()
    assert " ".join(lines[0].split()) == "method keep right points to plain worst seconds saved"
    assert [line.split()[0] for line in lines[1:4]] == ["plain", *methods.split(",")]
    assert max(len(line) for line in lines[:4]) <= 80
    assert stderr.count("seed 0") == 3
    assert json.loads((out / "result.json").read_text())["seeds"] == 1
    assert "bench skip" in json.loads((out / "config.json").read_text())["command_line"]
    page = (out / "report.html").read_text()
    assert "partial-forward-blocking" in page
    assert "https://" not in page.split("<script>")[0]


def test_goes_on_with_more_seeds_and_prints_json_alone(imprint, data, tmp_path):
    out = tmp_path / "bench"
    given = ("bench", "skip", data, *QUICK, "--methods", "random", "--out", out)
    assert imprint(*given, "--seeds", 1)[0] == 0
    code, stdout, _ = imprint(*given, "--seeds", 2, "--resume", "--json")
    assert code == 0
    assert [row["seed"] for row in json.loads(stdout)["rows"]] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "magic"], "methods: expected some of plain,"),
        (["--keeps", "half"], "keeps: expected shares in (0, 1], with commas between, got 'half'"),
        (["--keeps", "1.5"], "keeps: expected shares in (0, 1], got 1.5"),
        (["--resume"], "resume: expected --out with the folder of a benchmark, got none"),
        (["--seeds", "0"], "seeds: expected at least 1, got 0"),
    ],
)
def test_a_mistake_is_one_line(imprint, data, arguments, message):
    code, stdout, stderr = imprint("bench", "skip", data, *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("imprint: error: ")
    assert stderr.count("\n") == 1
    assert message in stderr
