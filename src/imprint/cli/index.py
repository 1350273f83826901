"""`imprint index`: take the signatures of images or sounds and keep them to be searched."""

import json
import sys
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.cli import audio_options, options
from imprint.cli.folders import new_folder
from imprint.cli.live_bar import LiveBar
from imprint.cli.run_data import audio_as
from imprint.cli.terminal import bare_table, command_line, result_console
from imprint.data import AudioOptions
from imprint.errors import InvalidValueError, MissingFileError
from imprint.runs import check_vacant, read_json, write_json
from imprint.searching import Added, Gallery, is_remote, read_metadata
from imprint.training import find_device, load_trained
from imprint.training.results import versions

__all__ = ["index"]

COUNTED = ("added", "replaced", "renewed", "unchanged", "broken")

_what = partial(typer.Option, rich_help_panel="What to index with")
_where = partial(typer.Option, rich_help_panel="Where to write")


def index(
    context: typer.Context,
    data: Annotated[
        str, typer.Argument(help="A folder of images or of audio, a file of it, or a data set.")
    ],
    *,
    model: Annotated[
        Path | None,
        _what(help="The folder of a run of train.", show_default="MFCC and chroma, for audio only"),
    ] = None,
    layer: Annotated[
        str | None, _what(help="Where maps are read.", show_default="the run's own")
    ] = None,
    metadata: Annotated[
        Path | None,
        _what(help="A CSV file with a column id and columns of your own.", show_default="none"),
    ] = None,
    batch_size: Annotated[int, _what(help="Images that run together.")] = 32,
    device: Annotated[str, _what(help="auto, cpu, cuda or mps.")] = "auto",
    prune: Annotated[
        bool, _what("--prune", help="Afterwards, drop the rows of files that are gone.")
    ] = False,
    seconds: audio_options.Seconds = None,
    excerpts: audio_options.Excerpts = None,
    sample_rate: audio_options.SampleRate = None,
    mels: audio_options.Mels = None,
    label: audio_options.Label = None,
    out: Annotated[
        str | None,
        _where(
            help="The index: a new folder or one that goes on, or an address such as s3://….",
            show_default="runs/index-<time>",
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Index images or sounds by their signatures; what is there unchanged is skipped."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        result = _index(context.params)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        _show(result)


def _index(given: dict[str, Any]) -> dict[str, Any]:
    """Read run and data, index, write the small files beside; what it came to."""
    begun, place = time.perf_counter(), given["out"] or str(new_folder("index"))
    _check_place(place)
    described = {} if given["metadata"] is None else read_metadata(given["metadata"])
    gallery = _opened(place, given)
    with _Display() as display:
        added = gallery.add(
            given["data"],
            metadata=described,
            on_total=display.expect,
            on_added=display.added,
            on_broken=display.skip,
        )
    if not len(gallery):
        expected = "at least one image that can be read"
        raise MissingFileError(f"data: expected {expected}, {added.broken} cannot")
    display.unmatched(len(described) - added.described)
    pruned = gallery.prune() if given["prune"] else 0
    result = _result(gallery, added, given, time.perf_counter() - begun) | {"pruned": pruned}
    _write(place, given, result)
    return result


def _opened(place: str, given: dict[str, Any]) -> Gallery:
    """The index, with the network of the run where one is named."""
    run = given["model"]
    audio = audio_as(None if run is None else str(run), given)
    if run is None:
        if given["layer"] is not None:
            raise InvalidValueError(f"layer: expected none without --model, got {given['layer']}")
        gallery = Gallery(place, audio=audio, batch_size=given["batch_size"])
    else:
        gallery = _of_run(place, run, audio, given)
    _check_audio(gallery, given)
    return gallery


def _of_run(place: str, run: Path, audio: AudioOptions, given: dict[str, Any]) -> Gallery:
    trained = load_trained(run, answers=False)
    layer = given["layer"] or trained.layer
    if layer is None:
        layers = ", ".join(name for name, _ in trained.model.named_modules() if name)
        raise InvalidValueError(f"layer: expected --layer, one of {layers[:300]}")
    return Gallery(
        place,
        model=trained.model.to(find_device(given["device"])),
        layer=layer,
        normalisation=trained.normalisation,
        shape=trained.shape,
        run=str(run.absolute()),
        audio=audio,
        batch_size=given["batch_size"],
    )


def _check_audio(gallery: Gallery, given: dict[str, Any]) -> None:
    """Check that an index that goes on is not asked to read audio in another way."""
    own = None if gallery.about is None else gallery.about.audio
    for name in () if own is None else audio_options.NAMES:
        if given[name] not in (None, getattr(own, name)):
            expected = f"{getattr(own, name)} as {gallery.uri} has"
            raise InvalidValueError(f"{name}: expected {expected}, got {given[name]}")


def _check_place(place: str) -> None:
    """Check, before any work, that a place is an index that goes on, or new."""
    folder = Path(place)
    if is_remote(place) or (folder / "signatures.lance").is_dir():
        return
    config = folder / "config.json"
    if not (config.is_file() and read_json(config).get("command") == "index"):
        check_vacant(folder)


def _result(
    gallery: Gallery, added: Added, given: dict[str, Any], seconds: float
) -> dict[str, Any]:
    about = gallery.about
    return {
        "command": "index",
        "index": gallery.uri,
        "data": given["data"],
        "rows": len(gallery),
        **{name: getattr(added, name) for name in COUNTED},
        "layer": about.layer if about else "",
        "dimensions": about.dimensions if about else 0,
        "model": about.run if about else "",
        "seconds": seconds,
        "versions": versions(),
    }


def _write(place: str, given: dict[str, Any], result: dict[str, Any]) -> None:
    """Write `config.json` and `result.json` beside the rows; an object store gets none."""
    if is_remote(place):
        return
    asked = {name: given[name] for name in ("data", "batch_size", "device", *audio_options.NAMES)}
    paths = {name: None if given[name] is None else str(given[name]) for name in
             ("model", "metadata")}  # fmt: skip
    command = command_line()
    config = {
        "command": "index",
        **asked,
        **paths,
        "layer": result["layer"],
        "command_line": command,
    }
    write_json(Path(place) / "config.json", config)
    write_json(Path(place) / "result.json", result)


def _show(result: dict[str, Any]) -> None:
    console = result_console()
    table = bare_table()
    names = ["rows", *COUNTED, *(["pruned"] if result["pruned"] else [])]
    for name in (*names, "seconds"):
        table.add_column(name, justify="right")
    counts = (f"{result[name]:,}" for name in names)
    table.add_row(*counts, f"{result['seconds']:.1f}")
    console.print(table)
    console.print(result["index"], soft_wrap=True, markup=False)


class _Display(LiveBar):
    """A live bar, and a line for what cannot be read."""

    def __init__(self) -> None:
        super().__init__("indexing", "{task.completed:,.0f} of {task.total:,.0f} images", total=0)

    def expect(self, total: int) -> None:
        """Say how many there will be."""
        self.move(total=total)

    def added(self, added: Added) -> None:
        """Move the bar."""
        self.move(completed=added.seen)

    def unmatched(self, count: int) -> None:
        """Tell of metadata that no image has."""
        if count:
            rows = "row" if count == 1 else "rows"
            self.say(f"metadata: {count:,} {rows} with an id that no image here has")
