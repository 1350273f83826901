"""`imprint train --task same-track`: learn to tell tracks apart, without labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from imprint.cli import audio_options
from imprint.cli.audio_options import audio_note, audio_of
from imprint.cli.folders import new_folder
from imprint.cli.live_bar import LiveBar
from imprint.cli.terminal import command_line
from imprint.data import survey
from imprint.errors import InvalidValueError
from imprint.models import default_layer
from imprint.report import same_track_report
from imprint.runs import check_vacant, write_text
from imprint.training import (
    STATISTICS,
    SameTrackSettings,
    held_out_tracks,
    train_same_track,
)
from imprint.types import DataPart, ImageSet

__all__ = ["TAKEN", "learn_tracks", "show_tracks"]

TAKEN = {
    *("data", "task", "model", "layer", "dimensions", "test_share", *audio_options.NAMES),
    *("epochs", "batch_size", "lr", "device", "seed", "out", "as_json"),
}
"""Options of `imprint train` that have a meaning for tracks."""

LAST_MAPS = {"conv4": "block4", "resnet8": "layer3", "resnet20": "layer3", "resnet18": "layer4"}
"""Where signatures of built-in networks are taken: before what is pooled."""


def learn_tracks(given: dict[str, Any], named: set[str]) -> tuple[dict[str, Any], Path]:
    """Read the data, learn, and write the run.

    Args:
        given: all options of `imprint train` by name.
        named: those on the command line.

    Returns:
        What `result.json` holds, and the run's folder.

    Raises:
        InvalidValueError: for an option that would do nothing, or data without tracks.
    """
    if unused := sorted(named - TAKEN):
        option = unused[0].replace("_", "-")
        raise InvalidValueError(f"{option}: expected none beside --task same-track, got one")
    settings = _settings(given, named)
    folder = given["out"] or new_folder("train")
    check_vacant(folder)
    audio = audio_of(given)
    parts = survey(given["data"], audio=audio)
    train, test, names = _train_and_test(parts, given)
    note = {"data": given["data"], "test_share": given["test_share"], **audio_note(audio)}
    note["command_line"] = command_line()
    with _Display() as display:
        for broken in (own for part in parts.values() for own in part.unreadable):
            display.skip(broken.path, broken.reason)
        _, result = train_same_track(
            train,
            test,
            settings,
            names=names,
            out=folder,
            on_stage=display.begin,
            on_step=display.step,
            note=note,
        )
    write_text(folder / "report.html", same_track_report(result, note["command_line"]))
    return result, folder


def _settings(given: dict[str, Any], named: set[str]) -> SameTrackSettings:
    """The settings that the command line names; the others are as usual for tracks."""
    own = ("model", "layer", "dimensions", "epochs", "batch_size", "lr", "device", "seed")
    told = {name: given[name] for name in own if name in named}
    model = told.setdefault("model", STATISTICS)
    if model != STATISTICS and told.get("layer") is None:
        told["layer"] = LAST_MAPS.get(model) or default_layer(model)
    return SameTrackSettings(**told)


def _train_and_test(
    parts: dict[str, DataPart], given: dict[str, Any]
) -> tuple[ImageSet, ImageSet, Sequence[str]]:
    """What teaches, what judges, and the names of the latter."""
    if {"train", "test"} <= parts.keys():
        return parts["train"].images, parts["test"].images, parts["test"].paths
    whole = next(iter(parts.values()))
    held = held_out_tracks(whole.images, given["test_share"], seed=given["seed"])
    names = [whole.paths[row] for row in held.nonzero()[:, 0].tolist()]
    return whole.images.taken(~held), whole.images.taken(held), names


class _Display(LiveBar):
    """A line a stage, and a bar while a network learns."""

    def __init__(self) -> None:
        state = "{task.completed}/{task.total} steps, loss {task.fields[loss]}"
        super().__init__("learning", state, loss="")

    def begin(self, stage: str) -> None:
        """Say which stage begins."""
        self.say(f"{stage} …")

    def step(self, step: int, steps: int, loss: float) -> None:
        """Move the bar."""
        self.move(completed=step, total=steps, loss=f"{loss:.3f}")


def show_tracks(result: dict[str, Any], folder: Path) -> None:
    """Print how often vectors find the same track, beside those that nothing was learnt for.

    Args:
        result: what `result.json` holds.
        folder: of the run.
    """
    table = Table(title="Another excerpt of the same track, among held-out tracks")
    for column in ("", "first", "first five"):
        table.add_column(column, justify="left" if not column else "right")
    for name, kind in (("this run", ""), ("MFCC and chroma", "untrained_")):
        shares = (result[f"{kind}{key}"] for key in ("first", "first_five"))
        table.add_row(name, *map(_share, shares))
    console = Console(highlight=False)
    console.print(table)
    held = f"{result['test_excerpts']} excerpts of {result['test_tracks']} tracks"
    console.print(f"{held} were held out; {result['tracks']} tracks were learnt from.")
    typer.echo(
        f"{folder / 'report.html'}\nimprint index DATA --model {folder} makes an index with it."
    )


def _share(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.1f} %"
