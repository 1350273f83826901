"""Two ranks do what one process does on the joint batch: each runs `rank_program.py` once."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

FILE = Path(__file__).with_name("rank_program.py")
PROGRAM = runpy.run_path(str(FILE))
CASES, SMALL_CASES = PROGRAM["CASES"], PROGRAM["SMALL_CASES"]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What both ranks saw. A deadlock fails here, by its time."""
    folder = tmp_path_factory.mktemp("ranks")
    commands = [[sys.executable, "-W", "error", FILE, str(rank), "2", folder] for rank in (0, 1)]
    started = [subprocess.Popen(c, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        errors = [process.communicate(timeout=120)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(errors)
    return [torch.load(folder / f"rank{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process sees on the joint batches."""
    folder = tmp_path_factory.mktemp("alone")
    return {name: PROGRAM["train"](0, 1, folder, **case) for name, case in CASES.items()}


def joined(ranks, case, name):
    """A list of tensors over the steps, each the ranks' below each other."""
    return [torch.cat(pair) for pair in zip(*(seen[case][name] for seen in ranks), strict=True)]


def assert_close(one, other, tolerance):
    torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["kept", "hits"])
def test_the_same_rows_stay_and_the_same_are_hits(ranks, alone, case, name):
    expected = alone[case][name]
    assert [t.tolist() for t in joined(ranks, case, name)] == [t.tolist() for t in expected]


def test_the_cases_have_hits_and_uneven_keeps(ranks, alone):
    assert sum(int(hits.sum()) for hits in alone["paper"]["hits"]) > 5
    for case in CASES.keys() - {"all rows"}:
        kept = [[len(rows) for rows in seen[case]["kept"]] for seen in ranks]
        assert kept[0] != kept[1]
        assert min(map(min, kept)) >= 2


@pytest.mark.parametrize("case", CASES)
def test_the_memory_is_that_of_one_process(ranks, alone, case):
    for seen in ranks:
        assert_close(seen[case]["memories"], alone[case]["memories"], 1e-10)


@pytest.mark.parametrize("case", CASES)
def test_gradients_and_weights_are_those_of_one_process(ranks, alone, case):
    for seen in ranks:
        assert_close(seen[case]["gradients"], alone[case]["gradients"], 1e-10)
        assert_close(seen[case]["weights"], alone[case]["weights"], 1e-10)


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_the_same_on_each_rank_and_in_one_process(ranks, alone, case):
    one, other = (seen[case]["state"] for seen in ranks)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert_close(one, alone[case]["state"], 1e-5)  # the probe computes in float32
    assert torch.equal(one["generator"], alone[case]["state"]["generator"])


@pytest.mark.parametrize("case", CASES | SMALL_CASES)
def test_the_normaliser_is_the_mean_of_what_the_ranks_keep(ranks, case):
    kept = joined(ranks, case, "kept")
    for seen in ranks:
        assert seen[case]["normalisers"] == [len(rows) / 2 for rows in kept]


@pytest.mark.parametrize("case", SMALL_CASES)
def test_a_rank_keeps_two_rows_where_it_has_as_many(ranks, case):
    sizes = SMALL_CASES[case]["sizes"]
    least = [min(2, size) for size in sizes]
    for step in range(3):
        counts = [len(seen[case]["kept"][step]) for seen in ranks]
        assert all(count >= need for count, need in zip(counts, least, strict=True))
        if SMALL_CASES[case]["rule"] != "paper":
            assert sum(counts) == max(2, sum(least))


@pytest.mark.parametrize("case", SMALL_CASES)
def test_the_averaged_gradient_is_that_of_the_joint_mean_loss(ranks, case):
    images, labels = PROGRAM["joint_batch"](0, SMALL_CASES[case]["sizes"])
    kept = joined(ranks, case, "kept")[0]
    model = PROGRAM["network"]()
    F.cross_entropy(model(images[kept]), labels[kept]).backward()
    expected = [weight.grad for weight in model.parameters()]
    for seen in ranks:
        assert_close(seen[case]["gradients"][0], expected, 1e-10)


def test_memory_and_probe_bear_a_rank_without_rows(ranks):
    expected = PROGRAM["parts"](0, 1)
    one, other = (seen["parts"] for seen in ranks)
    losses = [torch.cat(pair) for pair in zip(one["losses"], other["losses"], strict=True)]
    torch.testing.assert_close(losses, expected["losses"], equal_nan=True, atol=1e-3, rtol=1e-3)
    for seen in (one, other):
        assert_close(seen["memory"], expected["memory"], 1e-10)
        assert_close(seen["probe"], expected["probe"], 1e-3)


def test_sums_and_rows_are_exact_and_keep_their_types(ranks):
    rows = torch.tensor([[torch.nan, -torch.inf], [1e-45, 3e38], [0.1, 0.0]])
    for rank, seen in enumerate(part["sums and rows"] for part in ranks):
        assert seen["place"] == (rank, 2)
        torch.testing.assert_close(seen["rows"], rows, equal_nan=True, atol=0, rtol=0)
        torch.testing.assert_close(seen["whole"], torch.tensor([[7]]))
        total, count = seen["sums"]
        torch.testing.assert_close(total, torch.tensor([1.0, 1.0]), atol=0, rtol=0)
        torch.testing.assert_close(count, torch.tensor(2**41 + 1))


def test_ranks_that_differ_are_refused_on_each(ranks):
    expected = [
        "keep: expected the same on each rank, got [0.5, 0.75]",
        "gate's random generator: expected the same on each rank, got [",
        "memory's count: expected the same on each rank, got [16.0, 0.0]",
    ]
    for seen in ranks:
        for message, start in zip(seen["refusals"], expected, strict=True):
            assert message.startswith(start)


def test_a_group_of_one_waits_for_nobody(ranks):
    message = "group: expected one that this process is in, got another"
    assert [seen["alone"] for seen in ranks] == [(8.0, message), (0.0, message)]


def test_a_plan_that_covers_the_loss_loads_as_many_on_each_rank(ranks):
    one, other = (seen["covered"] for seen in ranks)
    assert one == other
    assert one[0] == 300
    assert min(one) < 290
