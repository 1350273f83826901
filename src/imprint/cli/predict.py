"""`imprint predict`: what a network answers to files, folders or data sets."""

import csv
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import typer

from imprint.answering import (
    REFERENCE,
    ExportedNetwork,
    Named,
    Prediction,
    file_batches,
    image_files,
    part_batches,
    predict_exported,
)
from imprint.answering import predict as run_prediction
from imprint.cli.answer_display import AnswerDisplay
from imprint.cli.audio_options import as_long
from imprint.cli.networks import check_shape, exits_of
from imprint.cli.run_data import audio_as, reader_of
from imprint.counts import check_count
from imprint.data import IMAGE_SUFFIXES, KNOWN, is_image_folder, survey
from imprint.early_exit import DriftMonitor
from imprint.errors import ImprintError, InvalidValueError, StorageError
from imprint.training import find_device, load_trained

__all__ = ["predict"]

STDIN = "-"

FORMATS = ("csv", "jsonl")

_how = partial(typer.Option, rich_help_panel="How to answer")
_where = partial(typer.Option, rich_help_panel="Where to write")


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run of train, or of export.")],
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
    watch: Annotated[
        bool,
        _how("--watch", help="Close the exits once images are unlike those of calibration."),
    ] = False,
    batch_size: Annotated[int, _how(help="Images that run together.")] = 32,
    device: Annotated[str, _how(help="auto, cpu, cuda or mps.")] = "auto",
    shape: Annotated[str, _where("--format", help="csv or jsonl.")] = FORMATS[0],
    out: Annotated[Path | None, _where(help="A new file.", show_default="stdout")] = None,
) -> None:
    """Answer images: a line each with label, confidence and where it was answered."""
    if shape not in FORMATS:
        raise InvalidValueError(f"format: expected {' or '.join(FORMATS)}, got {shape!r}")
    check_count("batch_size", batch_size)
    _check_out(out)
    stdout = sys.stdout
    with AnswerDisplay() as display, redirect_stdout(sys.stderr):  # a network's own prints
        if is_export(run):
            answerer = _exported(run, exits, device, watch=watch)
        else:
            answerer = _trained(run, exits, device, watch=watch)
        with _lines(out, shape, stdout) as write:
            for answers in answerer.answer(_batches(source, answerer, run, batch_size, display)):
                write(answers)
                display.answered(len(answers))
                display.moved(answerer.monitor)
            display.check()
    display.end()


class _Answerer(NamedTuple):
    """Whatever answers.

    Attributes:
        shape: channels, height and width of its images.
        answer: from batches of images to answers.
        monitor: that closes the exits once images are unlike those of calibration.
    """

    shape: tuple[int, int, int]
    answer: Callable[[Iterator[Named]], Iterator[list[Prediction]]]
    monitor: DriftMonitor | None


def is_export(folder: Path) -> bool:
    """Tell whether a folder holds an exported network."""
    return (folder / "exits.json").is_file()


def _exported(folder: Path, exits: Path | None, device: str, *, watch: bool) -> _Answerer:
    if device not in ("auto", "cpu"):
        raise InvalidValueError(f"device: expected auto or cpu for an export, got {device}")
    if exits is not None:
        raise InvalidValueError(f"exits: expected none, {folder} has its own; got {exits}")
    network = ExportedNetwork.load(folder)
    if watch and network.reference is None:
        raise InvalidValueError(f"watch: expected an export with {REFERENCE}, got {folder}")
    monitor = network.monitor() if watch else None
    answer = partial(predict_exported, network, monitor=monitor)
    return _Answerer(network.shape, answer, monitor)


def _trained(run: Path, exits: Path | None, device: str, *, watch: bool) -> _Answerer:
    trained = load_trained(run)
    opened = exits_of(exits, trained, run)
    if watch and (opened is None or not opened.exits):
        raise InvalidValueError("watch: expected --exits with at least one exit, got none")
    monitor = opened.monitor() if watch and opened is not None else None
    answer = partial(
        run_prediction,
        trained.model.to(find_device(device)),
        class_names=trained.class_names,
        normalisation=trained.normalisation,
        exits=opened,
        monitor=monitor,
    )
    return _Answerer(trained.shape, answer, monitor)


def _batches(
    source: str, answerer: _Answerer, run: Path, batch_size: int, display: AnswerDisplay
) -> Iterator[Named]:
    """The images that are meant, some at a time."""
    path = Path(source)
    read = reader_of(str(run), answerer.shape)
    if source == STDIN:
        return file_batches(_paths(sys.stdin), read, batch_size, display.broken)
    if source not in KNOWN and is_image_folder(path):
        paths = image_files(path)
    elif path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        paths = [path]
    else:
        return _of_parts(source, answerer, run, batch_size, display)
    display.expect(len(paths))
    return file_batches(paths, read, batch_size, display.broken)


def _paths(lines: IO[str]) -> Iterator[Path]:
    """Paths, one a line, as they come; names of files need not be UTF-8."""
    if isinstance(lines, io.TextIOWrapper):
        lines.reconfigure(errors="surrogateescape")
    return (Path(line.rstrip("\n")) for line in lines if line.strip())


def _of_parts(
    source: str, answerer: _Answerer, run: Path, batch_size: int, display: AnswerDisplay
) -> Iterator[Named]:
    audio = audio_as(str(run))
    parts = survey(source, audio=audio)
    longer = as_long(audio, answerer.shape, next(iter(parts.values())).images.images.shape[1:])
    parts = parts if longer is None else survey(source, audio=longer)
    for part in parts.values():
        channels, height, width = part.images.images.shape[1:]
        check_shape(answerer.shape, str(run), (channels, height, width))
        for broken in part.unreadable:
            display.broken(broken.path, broken.reason)
    display.expect(sum(len(part.images) for part in parts.values()))
    return (named for name, part in parts.items() for named in part_batches(name, part, batch_size))


def _check_out(out: Path | None) -> None:
    """Check, before any work, that a file is new and could be written."""
    if out is None:
        return
    if out.exists():
        raise InvalidValueError(f"out: expected a new file, got {out}")
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        got = f"{out.parent}, which is none"
        raise StorageError(f"{out}: expected to be able to write it into a folder, got {got}")


@contextmanager
def _lines(
    out: Path | None, shape: str, stdout: IO[str]
) -> Iterator[Callable[[Iterable[Prediction]], None]]:
    """Where lines go: stdout, or a file that is there once it is whole."""
    # names need not be UTF-8: their bytes come back as they are, in JSON as its own escapes
    writer, errors = (_csv, "surrogateescape") if shape == "csv" else (_jsonl, "backslashreplace")
    if out is None:
        if isinstance(stdout, io.TextIOWrapper):
            stdout.reconfigure(errors=errors)
        yield writer(stdout)
        return
    growing = out.with_name(f".{out.name}.part")
    try:
        with growing.open("w", newline="", encoding="utf-8", errors=errors) as file:
            yield writer(file)
        growing.replace(out)
    except ImprintError:  # some are the system's own as well
        raise
    except OSError as error:
        raise StorageError(f"{out}: expected to be able to write it, {error.strerror}") from error
    finally:
        growing.unlink(missing_ok=True)


def _csv(file: IO[str]) -> Callable[[Iterable[Prediction]], None]:
    writer = csv.writer(file)
    writer.writerow(Prediction._fields)

    def write(answers: Iterable[Prediction]) -> None:
        writer.writerows(_row(own).values() for own in answers)
        file.flush()

    return write


def _jsonl(file: IO[str]) -> Callable[[Iterable[Prediction]], None]:
    def write(answers: Iterable[Prediction]) -> None:
        for own in answers:
            file.write(json.dumps(_row(own), ensure_ascii=False) + "\n")
        file.flush()

    return write


def _row(answer: Prediction) -> dict[str, Any]:
    """An answer in what both formats can hold: a confidence that is NaN is none."""
    known = not math.isnan(answer.confidence)
    return answer._asdict() | {"confidence": round(answer.confidence, 6) if known else None}
