"""`imprint export`: a run's network and its exits as ONNX files."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imprint.answering import export_exits
from imprint.cli import options
from imprint.cli.audio_options import audio_note
from imprint.cli.folders import new_folder
from imprint.cli.networks import exits_of
from imprint.cli.run_data import SOUND_CHANNELS, audio_as
from imprint.early_exit import EarlyExit
from imprint.runs import check_vacant, write_json
from imprint.training import load_trained

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run of train.")],
    *,
    exits: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a run of early-exit.",
            show_default="none, one segment",
            rich_help_panel="What to write",
        ),
    ] = None,
    out: options.Out = None,
) -> None:
    """Write a network with its early exits as ONNX: a segment up to each exit, one to the end."""
    folder = out or new_folder("export")
    check_vacant(folder)
    trained = load_trained(run)
    opened = exits_of(exits, trained, run) or EarlyExit(())
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        export_exits(
            trained.model,
            opened,
            folder,
            shape=trained.shape,
            class_names=trained.class_names,
            normalisation=trained.normalisation,
        )
    if trained.shape[0] == SOUND_CHANNELS:  # predict reads audio by it, as by a run's own
        write_json(folder / "config.json", {"command": "export", **audio_note(audio_as(str(run)))})
    console = Console(highlight=False, soft_wrap=True)
    for path in sorted(folder.iterdir()):
        size = path.stat().st_size
        console.print(f"{path}  {size / 1e6:,.2f} MB", markup=False)
