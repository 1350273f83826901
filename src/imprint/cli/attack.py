"""`imprint attack`: how well networks withstand images that were made to fool them."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.markup import escape
from torch import nn

from imprint.attacking import AttackResult, AttackSettings
from imprint.attacking import attack as run_attack
from imprint.cli import options
from imprint.cli.folders import new_folder
from imprint.cli.live_bar import LiveBar
from imprint.cli.networks import exits_of
from imprint.cli.run_data import audio_as, check_fits, config_of, split_of
from imprint.cli.terminal import bare_table, command_line, print_paths, result_console
from imprint.data import load
from imprint.early_exit import WithExits
from imprint.errors import InvalidValueError
from imprint.report import attack_findings, attack_lines
from imprint.robustness import on_pixels
from imprint.runs import check_vacant, claim, write_json
from imprint.taps import channels_last
from imprint.training import Trained, find_device, load_trained
from imprint.types import ImageSet

__all__ = ["attack"]

USUAL = AttackSettings()

_how = partial(typer.Option, rich_help_panel="How to attack")
_what = partial(typer.Option, rich_help_panel="What to attack")


def attack(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The folder of a run of train.")],
    data: options.Data,
    *,
    on: Annotated[
        list[Path] | None,
        _what(help="A further run, attacked and judged as well; several times for more."),
    ] = None,
    exits: Annotated[
        Path | None,
        _what(
            help="The folder of a run of early-exit: RUN is attacked with its exits as well.",
            show_default="none",
        ),
    ] = None,
    limit: Annotated[
        int | None, _what(help="Images of the test part, at most.", show_default="all")
    ] = None,
    image_size: Annotated[
        int | None,
        _what(help="Side in pixels that images are brought to.", show_default="the run's"),
    ] = None,
    attack: Annotated[str, _how(help="fgsm or pgd.")] = USUAL.attack,
    epsilon: Annotated[
        list[float] | None,
        _how(
            help="Largest changes of a pixel, each in [0, 1]: one or more.",
            show_default=", ".join(f"{each:g}" for each in USUAL.epsilons),
        ),
    ] = None,
    loss: Annotated[str, _how(help="cross-entropy or log-odds.")] = USUAL.loss,
    steps: Annotated[int | None, _how(help="Of pgd.", show_default="20")] = None,
    step_size: Annotated[
        float | None, _how(help="Of pgd, in pixels.", show_default="2.5 epsilon / steps")
    ] = None,
    seed: Annotated[int, _how(help="Of where pgd starts, and of the noise.")] = USUAL.seed,
    batch_size: Annotated[int, _how(help="Images attacked together.")] = USUAL.batch_size,
    device: Annotated[str, _how(help="auto, cpu, cuda or mps.")] = "auto",
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Attack networks: how often they are still right, by themselves and by each other."""
    with redirect_stdout(sys.stderr):  # whatever a network of the user's own prints
        found, folder = _attack(context.params)
    if as_json:
        typer.echo((folder / "result.json").read_text(), nl=False)
    else:
        _show(found, folder)


def _attack(given: dict[str, Any]) -> tuple[AttackResult, Path]:
    """Read runs and data, attack, write all files; what it came to and its folder."""
    settings = _settings(given)
    if given["limit"] is not None and given["limit"] < 1:
        raise InvalidValueError(f"limit: expected at least 1, got {given['limit']}")
    folder = given["out"] or new_folder("attack")
    check_vacant(folder)
    device = find_device(given["device"])
    runs = _runs([given["run"], *(given["on"] or ())])
    part = _test_part(given, runs)
    networks = {name: _network(trained, device) for name, trained in runs.items()}
    networks |= _with_exits(given, runs, device)
    with _Display() as display:
        found = run_attack(
            networks, part, settings=settings, on_batch=display.on_batch, on_row=display.on_row
        )
    command = command_line()
    asked = {key: given[key] for key in ("data", "limit", "image_size", "device")}
    asked["exits"] = None if given["exits"] is None else str(given["exits"])
    config = {"command": "attack", "runs": list(runs), **asked, **asdict(settings)}
    write_json(claim(folder) / "config.json", {**config, "command_line": command})
    found.write(folder, command)
    return found, folder


def _settings(given: Mapping[str, Any]) -> AttackSettings:
    names = ("attack", "loss", "steps", "step_size", "seed", "batch_size")
    epsilons = tuple(given["epsilon"]) if given["epsilon"] else USUAL.epsilons
    return AttackSettings(epsilons=epsilons, **{name: given[name] for name in names})


def _runs(folders: list[Path]) -> dict[str, Trained]:
    """The networks by the names that the user gave."""
    names = [str(folder) for folder in folders]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InvalidValueError(f"on: expected each run once, got {twice[0]} twice")
    return {name: load_trained(folder) for name, folder in zip(names, folders, strict=True)}


def _network(trained: Trained, device: torch.device) -> nn.Module:
    """A run's network on pixels; in the layout that is fastest for convolutions."""
    return channels_last(on_pixels(trained.model, trained.normalisation).to(device))


def _with_exits(
    given: Mapping[str, Any], runs: Mapping[str, Trained], device: torch.device
) -> dict[str, nn.Module]:
    """The first network with its early exits: an attack then follows whichever branch answers."""
    name, trained = next(iter(runs.items()))
    exits = exits_of(given["exits"], trained, given["run"])
    if exits is None:
        return {}
    model = WithExits(trained.model, exits).eval()
    return {f"{name} with exits": on_pixels(model, trained.normalisation).to(device)}


def _test_part(given: Mapping[str, Any], runs: Mapping[str, Trained]) -> ImageSet:
    """The images that no run was trained on: the test part, as each run split it off."""
    splits = {name: split_of(name, given["data"]) for name in runs}
    size = given["image_size"]
    if size is None:
        size = config_of(next(iter(runs))).get("image_size")
    audio = audio_as(next(iter(runs)))
    parts = {
        split: load(given["data"], image_size=size, audio=audio, **dict(split)).test
        for split in set(splits.values())
    }
    for name, trained in runs.items():
        check_fits(trained, name, parts[splits[name]])
    part = next(iter(parts.values()))
    if any(not torch.equal(part.images, other.images) for other in parts.values()):
        raise InvalidValueError(
            "on: expected runs that hold out the same images to test on, got others, as of another "
            "--seed or --test-share; some would be attacked on images that they were trained on"
        )
    rows = torch.linspace(0, len(part) - 1, min(len(part), given["limit"] or len(part)))
    chosen = rows.round().long()
    return part.taken(chosen)


class _Display(LiveBar):
    """A live bar, and a line a row."""

    def __init__(self) -> None:
        super().__init__("attacking", "{task.completed:,.0f} of {task.total:,.0f} images", total=1)

    def on_batch(self, done: int, total: int) -> None:
        """Move the bar."""
        self.move(completed=done, total=total)

    def on_row(self, row: Mapping[str, Any]) -> None:
        """Print an accuracy."""
        made = f"made on {row['made_on']}, judged on {row['judged_on']}"
        self.say(f"epsilon {row['epsilon']:<6g} {made}: {row['accuracy']:.2%}")


def _show(found: AttackResult, folder: Path) -> None:
    """Print the accuracies, what was found, and where the files are."""
    console = result_console()
    columns, lines = attack_lines(found.result)
    table = bare_table()
    for k, name in enumerate(columns):
        justify: Any = "left" if k < 2 else "right"
        table.add_column(name, justify=justify, no_wrap=k >= 2, overflow="fold")
    for line in lines:
        table.add_row(*map(escape, line))
    console.print(table)
    for sentence in attack_findings(found.result):
        console.print(sentence, markup=False)
    print_paths(console, folder)
