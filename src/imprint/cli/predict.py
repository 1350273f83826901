"""`imprint predict`: what a run's network answers to files, folders or data sets."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from imprint.answering import Named, Prediction, file_batches, image_files, part_batches
from imprint.answering import predict as run_prediction
from imprint.cli.networks import check_shape
from imprint.data import IMAGE_SUFFIXES, KNOWN, survey
from imprint.early_exit import DriftMonitor, EarlyExit
from imprint.errors import InvalidValueError, MissingFileError, StorageError
from imprint.on_maps import hash_tensors
from imprint.runs import read_json
from imprint.training import Trained, find_device, load_trained

__all__ = ["predict"]

STDIN = "-"

FORMATS = ("csv", "jsonl")

_how = partial(typer.Option, rich_help_panel="How to answer")
_where = partial(typer.Option, rich_help_panel="Where to write")


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run of train.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="An image, a folder of images, a data set, or - for paths on stdin.",
        ),
    ],
    *,
    exits: Annotated[
        Path | None,
        _how(help="The folder of a run of early-exit.", show_default="all go to the end"),
    ] = None,
    batch_size: Annotated[int, _how(help="Images that run together.")] = 32,
    device: Annotated[str, _how(help="auto, cpu, cuda or mps.")] = "auto",
    shape: Annotated[str, _where("--format", help="csv or jsonl.")] = FORMATS[0],
    out: Annotated[Path | None, _where(help="A new file.", show_default="stdout")] = None,
) -> None:
    """Answer images: a line each with label, confidence and where it was answered."""
    if shape not in FORMATS:
        raise InvalidValueError(f"format: expected {' or '.join(FORMATS)}, got {shape!r}")
    if batch_size < 1:
        raise InvalidValueError(f"batch_size: expected at least 1, got {batch_size}")
    trained = load_trained(run)
    opened = _exits(exits, trained, run)
    monitor = opened.monitor() if opened is not None and opened.exits else None
    model: Any = trained.model.to(find_device(device))
    with _Watch() as watch, _lines(out, shape) as write:
        batches = _batches(source, trained, run, batch_size, watch)
        for answers in run_prediction(
            model,
            batches,
            trained.class_names,
            trained.normalisation,
            exits=opened,
            monitor=monitor,
        ):
            write(answers)
            watch.answered(len(answers))
            watch.moved(monitor)
    watch.end()


def _exits(folder: Path | None, trained: Trained, run: Path) -> EarlyExit | None:
    """The exits of an early-exit run, if they are this network's."""
    if folder is None:
        return None
    loaded = EarlyExit.load(folder / "exits.safetensors")
    asked = read_json(folder / "config.json")
    if asked.get("weights") != hash_tensors(trained.model.state_dict()):
        got = f"those of {asked.get('run', 'another network')}"
        raise InvalidValueError(f"exits: expected those of the network in {run}, got {got}")
    return loaded


def _batches(
    source: str, trained: Trained, run: Path, batch_size: int, watch: "_Watch"
) -> Iterator[Named]:
    """The images that are meant, some at a time."""
    path = Path(source)
    if source == STDIN:
        named = (Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
        return file_batches(named, trained.shape, batch_size, watch.broken)
    if source not in KNOWN and path.is_dir():
        paths = image_files(path)
    elif path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        paths = [path]
    else:
        return _of_parts(source, trained, run, batch_size, watch)
    watch.expect(len(paths))
    return file_batches(paths, trained.shape, batch_size, watch.broken)


def _of_parts(
    source: str, trained: Trained, run: Path, batch_size: int, watch: "_Watch"
) -> Iterator[Named]:
    parts = survey(source)
    for part in parts.values():
        channels, height, width = part.images.images.shape[1:]
        check_shape(trained, str(run), (channels, height, width))
        for broken in part.unreadable:
            watch.broken(broken.path, broken.reason)
    watch.expect(sum(len(part.images) for part in parts.values()))
    return (named for name, part in parts.items() for named in part_batches(name, part, batch_size))


@contextmanager
def _lines(out: Path | None, shape: str) -> Iterator[Callable[[Iterable[Prediction]], None]]:
    """Where lines go: stdout, or a file that is there once it is whole."""
    writer = _csv if shape == "csv" else _jsonl
    if out is None:
        yield writer(sys.stdout)
        return
    if out.exists():
        raise InvalidValueError(f"out: expected a new file, got {out}")
    growing = out.with_name(f".{out.name}.part")
    try:
        with growing.open("w", newline="", encoding="utf-8") as file:
            yield writer(file)
        growing.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: expected to be able to write it, {error.strerror}") from error
    finally:
        growing.unlink(missing_ok=True)


def _csv(file: IO[str]) -> Callable[[Iterable[Prediction]], None]:
    writer = csv.writer(file)
    writer.writerow(Prediction._fields)

    def write(answers: Iterable[Prediction]) -> None:
        writer.writerows(own._replace(confidence=round(own.confidence, 6)) for own in answers)
        file.flush()

    return write


def _jsonl(file: IO[str]) -> Callable[[Iterable[Prediction]], None]:
    def write(answers: Iterable[Prediction]) -> None:
        for own in answers:
            row = own._asdict() | {"confidence": round(own.confidence, 6)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()

    return write


class _Watch:
    """A live bar on a terminal, and a line for what cannot be read; all of it on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._done = self._broken = 0
        self._told = False
        self._bar = Progress(
            TextColumn("answering"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f} images"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal or sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("answering", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, total: int) -> None:
        """Say how many there will be."""
        self._bar.update(self._task, total=total)

    def answered(self, count: int) -> None:
        """Move the bar."""
        self._done += count
        self._bar.update(self._task, completed=self._done + self._broken)

    def broken(self, path: str, reason: str) -> None:
        """Tell of an image that cannot be read."""
        self._broken += 1
        own = reason if path in reason else f"{path}: {reason}"
        self._console.print(f"skipped: {own}", markup=False)

    def moved(self, monitor: DriftMonitor | None) -> None:
        """Tell, once, that the exits have closed."""
        if monitor is not None and monitor.alarmed and not self._told:
            self._told = True
            self._console.print(
                f"after {self._done:,} images: these differ from those of calibration; the exits "
                "are closed, and all further images go to the end",
                markup=False,
            )

    def end(self) -> None:
        """Tell how many were skipped; that none was answered is a mistake."""
        if not self._done:
            raise MissingFileError(
                f"input: expected at least one image that can be read, {self._broken} cannot"
            )
        if self._broken:
            answered = f"answered {self._done:,}, skipped {self._broken:,}"
            self._console.print(answered, markup=False)
