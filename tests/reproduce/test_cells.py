import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from imprint.errors import DamagedFileError, InvalidValueError
from imprint.reproduce.cells import Cell, run_cells


def counted(path, value):
    """Leave a trace in a file, so that it shows how often this ran, in whichever process."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"value": value, "pair": (1, 2)}


def cell_of(tmp_path, name, value=1):
    return Cell(name, counted, {"path": str(tmp_path / name), "value": value})


def times(tmp_path, name):
    return len((tmp_path / name).read_text().splitlines())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cells").mkdir()
    return tmp_path / "cells"


def test_each_cell_is_done_once_and_read_from_then_on(tmp_path, folder):
    cells = [cell_of(tmp_path, "a"), cell_of(tmp_path, "b", 2), cell_of(tmp_path, "a")]
    first = run_cells(cells, folder)
    again = run_cells(cells, folder)
    assert first == again == {"a": {"value": 1, "pair": [1, 2]}, "b": {"value": 2, "pair": [1, 2]}}
    assert times(tmp_path, "a") == times(tmp_path, "b") == 1


def parsed(name, text):
    """A cell whose work other processes can import."""
    return Cell(name, json.loads, {"s": text})


def test_workers_give_what_one_process_gives_in_the_order_asked_for(folder):
    cells = [parsed(name, f'{{"value": {k}}}') for k, name in enumerate("dbac")]
    results = run_cells(cells, folder, workers=2)
    assert list(results) == list("dbac")
    assert [own["value"] for own in results.values()] == [0, 1, 2, 3]


def test_a_worker_has_one_thread(folder):
    cells = [Cell(name, torch.__config__.parallel_info, {}) for name in "ab"]
    for text in run_cells(cells, folder, workers=2).values():
        assert "get_num_threads() : 1\n" in text


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_done_before_a_failure_is_kept(folder, workers):
    run_cells([parsed("a", "{}")], folder, workers=workers)
    with pytest.raises(ValueError, match="Expecting value"):
        run_cells([parsed("a", "{}"), parsed("fails", "?")], folder, workers=workers)
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_a_cell_kept_with_other_arguments_is_an_error(tmp_path, folder):
    run_cells([cell_of(tmp_path, "a", 1)], folder)
    with pytest.raises(
        InvalidValueError, match=r"expected a with .*'value': 2.*holds .*'value': 1"
    ):
        run_cells([cell_of(tmp_path, "a", 2)], folder)


def test_what_is_no_cell_is_told(tmp_path, folder):
    (folder / "a.json").write_text('{"name": "a"}')
    with pytest.raises(DamagedFileError, match=r"expected a cell .* got none of arguments, cpu_"):
        run_cells([cell_of(tmp_path, "a")], folder)


def test_progress_counts_the_cells_that_were_done_already(tmp_path, folder):
    run_cells([cell_of(tmp_path, "a")], folder)
    told = []
    cells = [cell_of(tmp_path, "b"), cell_of(tmp_path, "a")]
    run_cells(cells, folder, on_cell=lambda *cell: told.append(cell))
    assert told == [("a", 1, 2), ("b", 2, 2)]
    assert json.loads((folder / "b.json").read_text())["arguments"]["value"] == 1


def test_a_cell_of_another_version_is_used_and_told(tmp_path, folder):
    run_cells([cell_of(tmp_path, "a")], folder)
    kept = json.loads((folder / "a.json").read_text())
    for others in ({"torch": "1.0"}, None):
        (folder / "a.json").write_text(json.dumps(kept | {"versions": others}))
        with pytest.warns(UserWarning, match="1 cells, such as a, were done with other versions"):
            run_cells([cell_of(tmp_path, "a")], folder)
    assert times(tmp_path, "a") == 1


LONG = """
import sys, time
from pathlib import Path
from imprint.reproduce.cells import Cell, run_cells

def work(path):
    Path(path).write_text(str(__import__("os").getpid()))
    time.sleep(300)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_cells([Cell(k, work, {"path": str(folder / k)}) for k in "ab"], folder, workers=2)
"""


def until(condition, seconds=60):
    """Wait until something holds; whether it came to hold."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def is_alive(process):
    """Whether a process computes; a zombie that waits to be reaped does not."""
    status = Path(f"/proc/{process}/stat")
    return status.is_file() and ") Z " not in status.read_text()


@pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc"
)
def test_workers_end_where_their_parent_is_killed(tmp_path):
    (tmp_path / "long.py").write_text(LONG)
    parent = subprocess.Popen([sys.executable, tmp_path / "long.py", tmp_path])
    traces = [tmp_path / name for name in "ab"]
    assert until(lambda: all(path.is_file() and path.read_text() for path in traces))
    workers = [int(path.read_text()) for path in traces]
    assert all(map(is_alive, workers))
    parent.kill()
    parent.wait()
    assert until(lambda: not any(map(is_alive, workers)))
