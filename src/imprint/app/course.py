"""The course of a training so far: from its result, or while it runs from its checkpoints."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from imprint.app.run_list import State, state_of
from imprint.errors import ImprintError
from imprint.runs import read_json, read_note
from imprint.training.sign_of_life import PROGRESS

__all__ = ["Course", "course_of", "standing"]

Run = Mapping[str, Any]
"""A run's part of `result.json`, as far as it goes."""


class Course(NamedTuple):
    """How far a training is.

    Attributes:
        runs: `plain`, `skip` or both, each with its `epochs`, `class_names` and `skip`.
        state: `done`, `running` or `silent`.
        epochs: that there are to be.
        progress: where it stands within its epoch; None where it does not say so.
        silence: seconds since it last said so.
    """

    runs: Mapping[str, Run]
    state: State
    epochs: int
    progress: Mapping[str, Any] | None
    silence: float

    @property
    def main(self) -> Run | None:
        """The run that skips, or the only one; None before the first epoch's end."""
        return list(self.runs.values())[-1] if self.runs else None


def course_of(folder: Path) -> Course:
    """Read the course of a training.

    Args:
        folder: of its run.

    Returns:
        The course; without an epoch where none is done.

    Raises:
        ImprintError: where its files cannot be read.

    Examples:
        >>> course_of(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    config = read_json(folder / "config.json")
    state = state_of(folder)
    if state == "done":
        runs, progress = _finished(read_json(folder / "result.json")), None
    else:
        progress = _progress(folder / PROGRESS)
        runs = _going(folder, config, progress)
    return Course(runs, state, int(config.get("epochs", 0)), progress, _silence(folder))


def standing(course: Course) -> str:
    """Say in a sentence or two where a training stands.

    Args:
        course: of it.

    Returns:
        Plain text.

    Examples:
        >>> standing(Course({}, "silent", 8, None, 0.0))
        'This run has neither ended nor given a sign of life in the last minute.'
    """
    if course.state == "done":
        return _ended(course)
    if course.state == "silent":
        said = "This run has neither ended nor given a sign of life in the last minute."
        return f"{said} {_at(course)}".strip()
    return f"Running. {_at(course)}".strip()


def _ended(course: Course) -> str:
    last = course.main
    if last is None or not last["epochs"]:
        return "Done."
    rows = last["epochs"]
    seen = sum(row["images_seen"] for row in rows)
    skipped = sum(row["images_skipped"] for row in rows) / max(1, seen)
    accuracy = f"{rows[-1]['test_accuracy']:.2%} of the test images right"
    count = "1 epoch" if len(rows) == 1 else f"{len(rows)} epochs"
    return f"Done after {count}: {accuracy}, {skipped:.0%} of the training skipped."


def _at(course: Course) -> str:
    told = course.progress
    if told is None:
        return "It has not taken a step yet." if course.state == "running" else ""
    seen = max(1, told["trained"] + told["skipped"])
    return (
        f"The {told['run']} run is in epoch {told['epoch'] + 1} of {course.epochs}, step "
        f"{told['step']} of {told['steps']}: loss {told['loss']:.3f}, {told['trained']:,} images "
        f"trained, {told['skipped']:,} skipped in this epoch ({told['trained'] / seen:.0%} kept)."
    )


def _finished(result: Run) -> dict[str, Run]:
    if "plain" in result:
        return {"plain": result["plain"], "skip": result["skip"]}
    return {"plain" if result.get("skip", "none") == "none" else "skip": result}


def _going(folder: Path, config: Run, progress: Mapping[str, Any] | None) -> dict[str, Run]:
    """The epochs that a checkpoint holds, read without its tensors."""
    runs: dict[str, Run] = {}
    for name in ("plain", "skip"):
        path = folder / f"checkpoint-{name}.safetensors"
        rows = read_note(path).get("epochs", []) if path.is_file() else []
        if rows:
            names = (progress or {}).get("class_names") or _numbers(rows[0])
            skip = "none" if name == "plain" else config.get("skip", name)
            runs[name] = {"epochs": rows, "class_names": names, "skip": skip}
    return runs


def _numbers(row: Mapping[str, Any]) -> list[str]:
    return [f"class {k}" for k in range(len(row.get("hits_per_class", ())))]


def _progress(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except ImprintError:  # not there yet, or gone just now
        return None


def _silence(folder: Path) -> float:
    path = folder / PROGRESS
    return max(0.0, time.time() - path.stat().st_mtime) if path.is_file() else 0.0
