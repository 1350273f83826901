"""A run's folder: config, results, weights and checkpoints, each whole or not there at all."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from imprint.errors import DamagedFileError, MissingFileError, RunExistsError, StorageError

__all__ = [
    "check_vacant",
    "claim",
    "read_json",
    "read_note",
    "read_tensors",
    "write_json",
    "write_tensors",
    "write_text",
]

RESUMABLE = ("train", "bench skip", "reproduce")
"""Commands that go on where they were stopped."""


def claim(folder: Path) -> Path:
    """Make an empty folder for a run, and prove that it can be written to.

    Args:
        folder: where the run is to go; its parents are made as well.

    Returns:
        The folder.

    Raises:
        RunExistsError: where the folder holds anything already.
        StorageError: where it cannot be made or written to.

    Examples:
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     claim(Path(parent) / "runs" / "first").name
        'first'
    """
    check_vacant(folder)
    with _storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder


def check_vacant(folder: Path) -> None:
    """Check, before long work begins, that a folder is new or empty and could be written to.

    Args:
        folder: where a run is to go.

    Raises:
        RunExistsError: where the folder holds anything already.
        StorageError: where it could not be made or written to.

    Examples:
        >>> check_vacant(Path("runs/never-made"))
    """
    with _storage(folder):
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise RunExistsError(f"out: expected a new or empty folder, {folder} {_kind(folder)}")
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not parent.is_dir():
            raise OSError(errno.ENOTDIR, f"{parent} is not a folder")
        with tempfile.TemporaryFile(dir=parent):  # rights alone do not tell
            return


def _kind(place: Path) -> str:
    if place.is_file():
        return "is a file; choose another"
    if (place / "config.json").is_file():
        command = _command_of(place)
        rest = f", or continue its {command} with --resume" if command in RESUMABLE else ""
        return f"holds another run; choose another{rest}"
    return "holds other files; choose another"


def _command_of(folder: Path) -> str | None:
    """Which command has begun a folder, where it can be told."""
    try:
        return read_json(folder / "config.json").get("command")
    except DamagedFileError:
        return None


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all.

    Args:
        path: the file; what it held stays until the new text is on the disk.
        text: what it is to hold, stored as UTF-8.

    Returns:
        The path.

    Raises:
        StorageError: where the disk is full or read-only.

    Examples:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder) / "note.txt", "whole").read_text()
        'whole'
    """
    return _write(path, text.encode(errors="backslashreplace"))  # names need not be UTF-8


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Write a JSON file whole or not at all.

    Args:
        path: the file.
        value: what it is to hold; numbers that are not finite become null.

    Returns:
        The path.

    Raises:
        StorageError: where the disk is full or read-only.

    Examples:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_json(write_json(Path(folder) / "a.json", {"loss": float("nan")}))
        {'loss': None}
    """
    return write_text(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file.

    Args:
        path: the file, an object at its top.

    Returns:
        The object.

    Raises:
        MissingFileError: where it is not there.
        DamagedFileError: where it does not parse.

    Examples:
        >>> read_json(Path("nowhere/result.json"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/result.json, found none
    """
    if not path.is_file():
        raise MissingFileError(f"expected a file {path}, found none")
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise DamagedFileError(f"{path}: expected JSON, {error}") from error
    if not isinstance(value, dict):
        raise DamagedFileError(f"{path}: expected an object, got {type(value).__name__}")
    return value


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> Path:
    """Write named tensors and a note beside them to a safetensors file, whole or not at all.

    Args:
        path: the file.
        tensors: any shapes and types, by name.
        note: whatever JSON can hold.

    Returns:
        The path.

    Raises:
        StorageError: where the disk is full or read-only.

    Examples:
        >>> import torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_tensors(Path(folder) / "a", {"x": torch.ones(1)}, {"epoch": 3})
        ...     read_tensors(path)
        ({'x': tensor([1.])}, {'epoch': 3})
    """
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return _write(path, save(whole, {"note": json.dumps(note)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Args:
        path: the file.

    Returns:
        The tensors by name, on the CPU, and the note.

    Raises:
        MissingFileError: where it is not there.
        DamagedFileError: where it is truncated, of another format, or its note no object.

    Examples:
        >>> read_tensors(Path("nowhere/model.safetensors"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/model.safetensors, found none
    """
    with _safetensors(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, _note_of(file, path)


def read_note(path: Path) -> dict[str, Any]:
    """Read the note beside the tensors of a safetensors file, and no tensor.

    Args:
        path: the file.

    Returns:
        The note.

    Raises:
        MissingFileError: where it is not there.
        DamagedFileError: where it is truncated, of another format, or its note no object.

    Examples:
        >>> read_note(Path("nowhere/model.safetensors"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/model.safetensors, found none
    """
    with _safetensors(path) as file:
        return _note_of(file, path)


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file, and tell in words what is wrong with it."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingFileError(f"expected a file {path}, found none")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, ValueError, OSError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise DamagedFileError(f"{path}: expected a safetensors file, {error}") from error


def _note_of(file: Any, path: Path) -> dict[str, Any]:
    note = json.loads((file.metadata() or {}).get("note", "{}"))
    if not isinstance(note, dict):
        raise DamagedFileError(f"{path}: expected an object as note, got {type(note).__name__}")
    return note


def _write(path: Path, content: bytes) -> Path:
    """Write to a temporary name beside the file, reach the disk, then rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _storage(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Turn the system's errors of reading and writing into one that names the path."""
    try:
        yield
    except RunExistsError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path}: expected to be able to write here, {error.strerror}"
        ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
