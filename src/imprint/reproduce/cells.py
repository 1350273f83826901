"""Cells: the pieces of work of a reproduction, each done once, side by side, and kept."""

import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import torch

from imprint.allocator import keep_freed_memory
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.runs import read_json, write_json
from imprint.training.results import versions

__all__ = ["Cell", "Results", "cpu_seconds", "run_cells"]

Results = Mapping[str, dict[str, Any]]
"""What each cell gave, by its name."""


Timed = tuple[dict[str, Any], float]


class Cell(NamedTuple):
    """A piece of work.

    Attributes:
        name: of the file that keeps what it gives; two cells of one name are one.
        work: a function of a module, which runs in a process of its own.
        arguments: that it is called with; JSON can hold them.
    """

    name: str
    work: Callable[..., dict[str, Any]]
    arguments: Mapping[str, Any]


def run_cells(
    cells: Iterable[Cell],
    folder: Path,
    *,
    workers: int = 1,
    on_cell: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> dict[str, dict[str, Any]]:
    """Do each cell that is not done yet, and keep what it gives.

    Args:
        cells: in the order in which they are to begin.
        folder: where what they give is kept, a file each; done cells are read from it.
        workers: processes at once, each of one thread; 1 works in this process.
        on_cell: called with the name of each cell that is done, how many are, and of how many.

    Returns:
        What each cell gave, by its name.

    Warns:
        UserWarning: where kept cells were done with other versions of Imprint, torch or Python.

    Raises:
        InvalidValueError: where a kept cell was called with other arguments.
        DamagedFileError: where what is kept is no cell.

    Examples:
        >>> import tempfile
        >>> double = Cell("double", lambda value: {"value": 2 * value}, {"value": 4})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run_cells([double], Path(folder))
        {'double': {'value': 8}}
    """
    unique = {cell.name: cell for cell in cells}
    done = {name: _kept(cell, folder) for name, cell in unique.items() if _file(cell, folder)}
    _warn_of_other_versions(done, folder)
    for number, name in enumerate(done, 1):
        on_cell(name, number, len(unique))
    waiting = [cell for name, cell in unique.items() if name not in done]
    for cell, (value, seconds) in _finished(waiting, workers):
        kept = {
            "name": cell.name,
            "arguments": dict(cell.arguments),
            "value": value,
            "cpu_seconds": seconds,
            "versions": versions(),
        }
        write_json(folder / f"{cell.name}.json", kept)
        done[cell.name] = _kept(cell, folder)
        on_cell(cell.name, len(done), len(unique))
    return {name: done[name] for name in unique}


def cpu_seconds(cells: Iterable[Cell], folder: Path) -> float:
    """Say what the work of cells takes.

    Args:
        cells: done ones.
        folder: where what they gave is kept.

    Returns:
        Seconds of one core, in all.

    Examples:
        >>> import tempfile
        >>> cells = [Cell("three", lambda: {"value": 3}, {})]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = run_cells(cells, Path(folder))
        ...     cpu_seconds(cells, Path(folder)) < 1
        True
    """
    names = {cell.name for cell in cells}
    return float(sum(read_json(folder / f"{name}.json")["cpu_seconds"] for name in names))


def _file(cell: Cell, folder: Path) -> bool:
    return (folder / f"{cell.name}.json").is_file()


def _kept(cell: Cell, folder: Path) -> dict[str, Any]:
    """What a cell gave, as JSON has it, so that a resumed run sees what an unbroken one does."""
    path = folder / f"{cell.name}.json"
    kept = read_json(path)
    missing = {"arguments", "value", "cpu_seconds"} - kept.keys()
    if missing:
        problem = "expected a cell that is done (removed, it is done anew)"
        raise DamagedFileError(f"{path}: {problem}; got none of {', '.join(sorted(missing))}")
    if kept["arguments"] != dict(cell.arguments):
        expected, got = dict(cell.arguments), kept["arguments"]
        raise InvalidValueError(f"{folder}: expected {cell.name} with {expected}, it holds {got}")
    value: dict[str, Any] = kept["value"]
    return value


def _warn_of_other_versions(names: Iterable[str], folder: Path) -> None:
    own = versions()
    others = [n for n in names if read_json(folder / f"{n}.json").get("versions") != own]
    if others:
        told = f"{len(others)} cells, such as {others[0]}, were done with other versions than {own}"
        warnings.warn(f"{folder}: {told}; where removed, they are done anew", stacklevel=3)


def _finished(cells: list[Cell], workers: int) -> Iterable[tuple[Cell, Timed]]:
    """Each cell with what it gives, as they are done."""
    if workers == 1:
        yield from ((cell, _timed(cell)) for cell in cells)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        futures: dict[Future[Timed], Cell] = {pool.submit(_timed, cell): cell for cell in cells}
        yield from ((futures[future], future.result()) for future in as_completed(futures))
    finally:
        pool.shutdown(cancel_futures=True)


def _timed(cell: Cell) -> Timed:
    """What a cell gives, and the CPU's seconds that it takes."""
    began = time.process_time()
    return cell.work(**cell.arguments), time.process_time() - began


def _begin() -> None:
    """Make a worker: several with all threads each would only wait for one another."""
    torch.set_num_threads(1)
    keep_freed_memory()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End where the parent was killed: what is computed would be lost, and take its cores."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
