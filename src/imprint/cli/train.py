"""`imprint train`: train a network, skipping what it already knows."""

import shlex
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from imprint.cli.display import TrainDisplay, show_result
from imprint.data import load
from imprint.errors import InvalidValueError
from imprint.report import train_report
from imprint.runs import check_vacant, read_json, write_text
from imprint.training import TrainSettings
from imprint.training import train as run_training

__all__ = ["train"]

DEFAULTS = TrainSettings()


def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(help="A known set (mnist, fashion-mnist, cifar10), a folder, or a file."),
    ] = "mnist",
    *,
    model: Annotated[
        str,
        typer.Option(help="conv4, paper, resnet20, resnet18, module:factory or file.py:factory."),
    ] = DEFAULTS.model,
    layer: Annotated[
        str | None, typer.Option(help="Where maps are read; a built-in model has a default.")
    ] = None,
    skip: Annotated[
        str | None,
        typer.Option(
            help="none, imprint, paper, cosine or random. [default: none; imprint with --compare]"
        ),
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option(
            help="plan, before images are loaded, or gate, in the network. [default: the rule's]"
        ),
    ] = None,
    keep: Annotated[
        float, typer.Option(help="Share of the images that is trained.")
    ] = DEFAULTS.keep,
    threshold_reading: Annotated[
        str, typer.Option(help="The paper's threshold: text or formula.")
    ] = DEFAULTS.threshold_reading,
    memory_decay: Annotated[
        float, typer.Option(help="How the class memory fades with each batch.")
    ] = DEFAULTS.memory_decay,
    dense_start: Annotated[
        float, typer.Option(help="Share of epochs at the start without skipping.")
    ] = DEFAULTS.dense_start,
    dense_end: Annotated[
        float, typer.Option(help="Share of epochs at the end without skipping.")
    ] = DEFAULTS.dense_end,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = DEFAULTS.batch_size,
    optimizer: Annotated[str, typer.Option(help="sgd or adamw.")] = DEFAULTS.optimizer,
    lr: Annotated[
        float | None, typer.Option(help="Highest learning rate. [default: 0.2 sgd, 0.005 adamw]")
    ] = None,
    momentum: Annotated[float, typer.Option(help="Of sgd.")] = DEFAULTS.momentum,
    weight_decay: Annotated[float, typer.Option(help="On weights.")] = DEFAULTS.weight_decay,
    schedule: Annotated[
        str, typer.Option(help="one-cycle, cosine, step or constant.")
    ] = DEFAULTS.schedule,
    precision: Annotated[str, typer.Option(help="32, bf16 or 16.")] = DEFAULTS.precision,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradients.")] = None,
    label_smoothing: Annotated[
        float, typer.Option(help="Share spread over all classes.")
    ] = DEFAULTS.label_smoothing,
    augment: Annotated[bool, typer.Option(help="Random crops and flips, as fit the set.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = DEFAULTS.device,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = DEFAULTS.seed,
    target: Annotated[
        float | None, typer.Option(help="Stop at this test accuracy, in (0, 1].")
    ] = None,
    test_share: Annotated[
        float, typer.Option(help="Share held out where the data have no test part.")
    ] = 0.2,
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels to which images of a folder are brought.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Train plainly as well, an epoch each in turn.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out exactly.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="A new folder. [default: runs/train-<time>]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json alone on stdout.")
    ] = False,
) -> None:
    """Train a network, skipping what it already knows."""
    given = _given(context)
    settings = TrainSettings(**{field.name: given[field.name] for field in fields(TrainSettings)})
    folder = Path(given["out"] or f"runs/train-{time.strftime('%Y-%m-%d-%H%M%S')}")
    if not resume:
        check_vacant(folder)
    splits = load(
        given["data"],
        test_share=given["test_share"],
        seed=settings.seed,
        image_size=given["image_size"],
    )
    with TrainDisplay(settings.epochs, 2 if given["compare"] else 1) as display:
        result = run_training(
            splits,
            settings,
            compare=given["compare"],
            out=folder,
            resume=resume,
            on_step=display.on_step,
            on_epoch=display.on_epoch,
            note=_note(given),
        )
    config = read_json(folder / "config.json")
    page = train_report(result, splits.train, config["command_line"])
    report = write_text(folder / "report.html", page)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        show_result(result, [report, folder / "result.json"])


def _given(context: typer.Context) -> dict[str, Any]:
    """All options by name; on --resume, those not on the command line are the stored run's."""
    given = dict(context.params)
    if given["resume"]:
        if given["out"] is None:
            raise InvalidValueError("resume: expected --out with the folder of a run, got none")
        stored = read_json(given["out"] / "config.json")
        for name in given.keys() & stored.keys():
            source = context.get_parameter_source(name)
            if source is None or source.name != "COMMANDLINE":
                given[name] = stored[name]
    elif given["skip"] is None:
        given["skip"] = "imprint" if given["compare"] else "none"
    return given


def _note(given: dict[str, Any]) -> dict[str, Any]:
    """What config.json holds beside the settings: how the data were read, and the command."""
    reading = {name: given[name] for name in ("test_share", "image_size")}
    return {**reading, "command_line": shlex.join(["imprint", *sys.argv[1:]])}
