"""`imprint train`: train a network, skipping what it already knows."""

import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.cli import audio_options, map_options, options
from imprint.cli.audio_options import audio_note, audio_of
from imprint.cli.display import TrainDisplay, show_result
from imprint.cli.folders import new_folder
from imprint.cli.options import DEFAULTS, settings_of
from imprint.cli.same_track import learn_tracks, show_tracks
from imprint.cli.terminal import command_line
from imprint.data import load
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.report import train_report
from imprint.runs import check_vacant, read_json, write_text
from imprint.skipping import cover_for
from imprint.training import TrainSettings, base_weights, train_on_maps
from imprint.training import train as run_training
from imprint.types import DataSplits

__all__ = ["train"]

_skip = partial(typer.Option, rich_help_panel="What to skip")


def train(
    context: typer.Context,
    data: options.Data = "mnist",
    *,
    task: options.Task = "classify",
    model: options.Model = DEFAULTS.model,
    layer: options.Layer = None,
    dimensions: options.Dimensions = None,
    test_share: options.TestShare = options.TEST_SHARE,
    image_size: options.ImageSize = None,
    seconds: audio_options.Seconds = None,
    excerpts: audio_options.Excerpts = None,
    sample_rate: audio_options.SampleRate = None,
    mels: audio_options.Mels = None,
    label: audio_options.Label = None,
    augment: options.Augment = True,
    augmentations: options.Augmentations = None,
    on_maps: map_options.OnMaps = None,
    stage: map_options.Stage = map_options.USUAL.stage,
    form: map_options.Form = map_options.USUAL.form,
    init: map_options.Init = map_options.USUAL.init,
    normalised: map_options.Normalised = False,
    store: map_options.Store = None,
    freeze_to: map_options.FreezeTo = None,
    start_from: map_options.StartFrom = None,
    skip: Annotated[
        str | None,
        _skip(
            help="none, imprint, a control (random, top), the paper's (paper, cosine), or a"
            " published method: infobatch, orderdp, kakurenbo, early-stopping, selective-backprop,"
            " partial-forward-blocking.",
            show_default="none; with --compare, imprint",
        ),
    ] = None,
    tier: Annotated[
        str | None,
        _skip(
            help="plan, before images are loaded; gate, in the network; or both.",
            show_default="plan where the rule has one",
        ),
    ] = None,
    keep: Annotated[float, _skip(help="Share of the images that is trained.")] = DEFAULTS.keep,
    cover: Annotated[
        float | None,
        _skip(
            help="Instead of --keep: share of all loss that the images of an epoch hold.",
            show_default="none",
        ),
    ] = None,
    accept: Annotated[
        float | None,
        _skip(
            metavar="POINTS",
            help="Instead of --cover: points of accuracy that may be lost, 0 to 0.6.",
            show_default="none",
        ),
    ] = None,
    familiarity: Annotated[
        bool, _skip(help="Read for the report how familiar images are; beside a plan.")
    ] = True,
    class_floor: Annotated[
        float, _skip(help="Part of --keep that a plan leaves each class at least.")
    ] = DEFAULTS.class_floor,
    hold_suspects: Annotated[
        bool, _skip("--hold-suspects", help="Hold back and list images that seem mislabelled.")
    ] = False,
    renew_norm: Annotated[
        bool, _skip("--renew-norm", help="Take batch norm's statistics from all images at the end.")
    ] = False,
    threshold_reading: Annotated[
        str, _skip(help="The paper's threshold: text or formula.")
    ] = DEFAULTS.threshold_reading,
    deviation: Annotated[
        str, _skip(help="In a gate's signatures: population, or paper as it prints it.")
    ] = DEFAULTS.deviation,
    memory_decay: Annotated[
        float, _skip(help="How the class memory fades with each batch.")
    ] = DEFAULTS.memory_decay,
    compare: Annotated[
        bool, _skip("--compare", help="Train plainly as well, an epoch each in turn.")
    ] = False,
    dense_start: options.DenseStart = DEFAULTS.dense_start,
    dense_end: options.DenseEnd = DEFAULTS.dense_end,
    epochs: options.Epochs = DEFAULTS.epochs,
    batch_size: options.BatchSize = DEFAULTS.batch_size,
    batch_shrink: options.BatchShrink = DEFAULTS.batch_shrink,
    freeze_after: options.FreezeAfter = None,
    optimizer: options.Optimizer = DEFAULTS.optimizer,
    lr: options.Rate = None,
    momentum: options.Momentum = DEFAULTS.momentum,
    weight_decay: options.WeightDecay = DEFAULTS.weight_decay,
    schedule: options.Schedule = DEFAULTS.schedule,
    precision: options.Precision = DEFAULTS.precision,
    clip: options.Clip = None,
    label_smoothing: options.LabelSmoothing = DEFAULTS.label_smoothing,
    device: options.Device = DEFAULTS.device,
    seed: options.Seed = DEFAULTS.seed,
    target: Annotated[
        float | None,
        options.how(help="Stop at this test accuracy, in (0, 1].", show_default="none"),
    ] = None,
    out: options.Out = None,
    keep_maps: Annotated[
        int, options.where(help="Test images whose maps are kept after each epoch, for see.")
    ] = DEFAULTS.keep_maps,
    resume: Annotated[
        bool, options.where("--resume", help="Continue the run in --out exactly.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a network, skipping what it already knows."""
    learn, show = (
        (_train_classes, _show_classes) if _is_classes(task) else (_train_tracks, show_tracks)
    )
    if as_json:
        with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
            folder = learn(context)[1]
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        show(*learn(context))


def _is_classes(task: str) -> bool:
    if task not in ("classify", "same-track"):
        raise InvalidValueError(f"task: expected classify or same-track, got {task!r}")
    return task == "classify"


def _train_tracks(context: typer.Context) -> tuple[dict[str, Any], Path]:
    named = {name for name in context.params if _is_named(context, name)}
    return learn_tracks(dict(context.params), named)


def _train_classes(context: typer.Context) -> tuple[dict[str, Any], Path]:
    if _is_named(context, "dimensions"):
        raise InvalidValueError("dimensions: expected --task same-track beside it, got classify")
    return _train(_given(context))


def _show_classes(result: dict[str, Any], folder: Path) -> None:
    show_result(result, [folder / "report.html", folder / "result.json"])


def _train(given: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """Read the data, train, write the report; the result and its folder."""
    settings = settings_of(given)
    folder = given["out"] or new_folder("train")
    if not given["resume"]:
        check_vacant(folder)
    splits = load(given["data"], **given["reading"])
    with TrainDisplay(settings.epochs, 2 if given["compare"] else 1) as display:
        result = _run(given, splits, settings, folder, display)
    config = read_json(folder / "config.json")
    page = train_report(result, splits.train, config.get("command_line", ""))
    write_text(folder / "report.html", page)
    return result, folder


def _run(
    given: dict[str, Any],
    splits: DataSplits,
    settings: TrainSettings,
    folder: Path,
    display: TrainDisplay,
) -> dict[str, Any]:
    """Train on the images, or on maps of them."""
    common = {"store": given["store"], "on_extract": display.on_extract}
    kind: Any
    if given["on_maps"] is not None:
        maps = map_options.maps_of(given)
        kind = partial(train_on_maps, run=given["on_maps"], maps=maps, **common)
    else:
        run = given["start_from"]
        start = None if run is None else base_weights(run, splits, settings)
        kind = partial(run_training, start=start, **common)
    result: dict[str, Any] = kind(
        splits,
        settings=settings,
        compare=given["compare"],
        out=folder,
        resume=given["resume"],
        on_step=display.on_step,
        on_epoch=display.on_epoch,
        note=_note(given),
    )
    return result


def _given(context: typer.Context) -> dict[str, Any]:
    """All options by name; on --resume, those not on the command line are the stored run's."""
    given = dict(context.params)
    named = {name for name in given if _is_named(context, name)}
    if given["resume"]:
        _take_stored(given, named)
    elif given["skip"] is None:
        given["skip"] = "imprint" if given["compare"] else "none"
    _accept(given, named)
    map_options.check_together(given, named)
    given["reading"] = {name: given[name] for name in ("test_share", "seed", "image_size")}
    given["reading"]["audio"] = audio_of(given)
    base = given["on_maps"] or given["start_from"]
    if base is not None:
        given["reading"] = map_options.follow_base(given, base, named)
    return given


def _accept(given: dict[str, Any], named: set[str]) -> None:
    """Turn the loss of accuracy that is accepted into how much a plan covers."""
    if given["accept"] is None:
        return
    if "cover" in named:
        raise InvalidValueError(f"cover: expected none beside --accept, got {given['cover']}")
    given["cover"] = cover_for(given["accept"])


def _is_named(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _take_stored(given: dict[str, Any], named: set[str]) -> None:
    """Take what is not on the command line from the run that is to be resumed."""
    if given["out"] is None:
        raise InvalidValueError("resume: expected --out with the folder of a run, got none")
    stored = read_json(given["out"] / "config.json")
    if stored.get("task"):
        raise InvalidValueError(f"resume: expected a run that names classes, got {stored['task']}")
    if "model" not in stored:
        expected = "expected the settings of a run, got none for model"
        raise DamagedFileError(f"{given['out'] / 'config.json'}: {expected}")
    for name in (given.keys() & stored.keys()) - named:
        paths = ("on_maps", "store", "start_from")
        given[name] = Path(stored[name]) if name in paths and stored[name] else stored[name]


def _note(given: dict[str, Any]) -> dict[str, Any]:
    """What config.json holds beside the settings: how the data were read, and the command."""
    reading = {name: given["reading"][name] for name in ("test_share", "image_size")}
    reading |= audio_note(given["reading"]["audio"])
    reading["split_seed"] = given["reading"]["seed"]  # a base run's, where there is one
    paths = {name: given[name] for name in ("store", "start_from") if given[name] is not None}
    reading |= {name: str(path) for name, path in paths.items()}
    return {**reading, "command_line": command_line()}
