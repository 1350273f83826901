"""A training job from data to result: one run, or two that take turns."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from torch import Tensor

from imprint.data.scaling import measured
from imprint.errors import InvalidValueError
from imprint.on_maps import Extraction
from imprint.runs import claim, read_json, read_tensors, write_json, write_tensors
from imprint.training.building import build_trainer, judging_batches
from imprint.training.frozen import check_freezable, store_prefix
from imprint.training.kept_maps import MapKeeper
from imprint.training.progress import Progress
from imprint.training.results import comparison_result, run_result
from imprint.training.settings import TrainSettings
from imprint.training.sign_of_life import PROGRESS, telling
from imprint.training.trainer import Trainer
from imprint.types import DataSplits, Normalisation

__all__ = ["build_trainer", "train"]

PREFIX = "prefix"
"""Where a run's own folder keeps the maps of its frozen prefix until it has ended."""


def train(
    data: DataSplits,
    settings: TrainSettings,
    *,
    compare: bool = False,
    out: Path | str | None = None,
    resume: bool = False,
    start: Mapping[str, Tensor] | None = None,
    store: Path | str | None = None,
    on_extract: Callable[[Extraction], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[str, dict[str, Any]], None] = lambda _name, _row: None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Train a network; with `compare`, plain and skipping in turn, an epoch each.

    Both runs of a comparison start from the same weights and see the images in the same order. What
    only the first steps of a process cost is paid before either is timed.

    Args:
        data: what to train and to test on.
        settings: how; with `compare`, `skip="none"` stands for `imprint`.
        compare: whether to train plainly as well.
        out: a new or empty folder for `config.json`, `result.json`, `model.safetensors`, a
            checkpoint after each epoch and, with `keep_maps`, the maps; while it trains, also
            `progress.json`; None writes nothing.
        resume: continue the job in `out`, to the bit on the CPU; the settings must be the same.
        start: weights to start from, by name; None for those that the seed gives.
        store: with `freeze_to`, a folder to keep the maps in; None drops them after the run.
        on_extract: called as these maps are taken.
        on_step: called after each optimizer step.
        on_epoch: called after each epoch with `plain` or `skip` and the epoch's row.
        note: what else `config.json` is to hold.

    Returns:
        What `result.json` holds; `docs/train.md` lists the keys.

    Raises:
        ImprintError: for settings, model, layer, data, device or folder that will not do, before
            training begins; DivergedError where a loss is not finite.

    Examples:
        >>> import torch
        >>> from imprint.types import ImageSet
        >>> images = torch.zeros(64, 1, 16, 16, dtype=torch.uint8)
        >>> images[1::2] = 200
        >>> pair = ImageSet(images, torch.arange(64) % 2, ("dark", "light"))
        >>> settings = TrainSettings(epochs=1, batch_size=16, device="cpu")
        >>> train(DataSplits("pair", pair, pair), settings)["images_trained"]
        64
    """
    out = None if out is None else Path(out)
    if settings.keep_maps and out is None:
        raise InvalidValueError(f"keep_maps: expected 0 without out, got {settings.keep_maps}")
    data = measured(data)
    check_freezable(data, settings)
    names = data.train.class_names
    on_step = telling(on_step, out, epochs=settings.epochs, class_names=names)
    trainers = _trainers(data, settings, on_step, start, compare=compare)
    keeper = _keeper(data, trainers[-1])
    config = _config(data, settings, compare=compare)
    if out is not None:
        _open_folder(out, config, note, resume=resume)
        if (out / "result.json").is_file():
            _sweep(out)
            return read_json(out / "result.json")
    with _prefix_stored(data, trainers, out, store, on_extract):
        if out is not None:
            for trainer in trainers:
                _load(trainer, out)
        if compare:
            trainers[0].warm_up()
        _take_turns(trainers, keeper, out, on_epoch)
        result = _result(data, trainers)
    if out is not None:
        _close_folder(out, trainers, result, data)
    return result


def _take_turns(
    trainers: list[Trainer],
    keeper: MapKeeper | None,
    out: Path | None,
    on_epoch: Callable[[str, dict[str, Any]], None],
) -> None:
    """Train all to their end, an epoch each in turn, with a checkpoint after each."""
    while any(not trainer.finished for trainer in trainers):
        trainer = min((t for t in trainers if not t.finished), key=lambda t: t.epoch)
        with _leaving_nothing(out):
            row = trainer.train_epoch()
        on_epoch(trainer.name, row)
        if out is not None:
            if keeper is not None and trainer is trainers[-1]:
                keeper.write(out, trainer.epoch)
            write_tensors(_checkpoint(out, trainer), *trainer.state())


@contextmanager
def _prefix_stored(
    data: DataSplits,
    trainers: list[Trainer],
    out: Path | None,
    store: Path | str | None,
    on_extract: Callable[[Extraction], None],
) -> Iterator[None]:
    """Where the network is frozen up to a layer, keep that layer's maps while the block runs."""
    if trainers[0].rest is None:
        yield
        return
    with TemporaryDirectory() as temporary:
        own = Path(temporary) if out is None else out / PREFIX
        folder = own if store is None else Path(store)
        with _leaving_nothing(out):
            for trainer in trainers:
                trainer.prefix_seconds = store_prefix(trainer, data, folder, on_extract)
        yield


def _trainers(
    data: DataSplits,
    settings: TrainSettings,
    on_step: Callable[[Progress], None],
    start: Mapping[str, Tensor] | None,
    *,
    compare: bool,
) -> list[Trainer]:
    if compare and settings.skip == "none":
        settings = replace(settings, skip="imprint")
    if not compare:
        name = "plain" if settings.skip == "none" else "skip"
        return [build_trainer(data, settings, name, on_step, start)]
    plain = build_trainer(data, settings.plain(), "plain", on_step, start)
    return [plain, build_trainer(data, settings, "skip", on_step, start)]


def _keeper(data: DataSplits, trainer: Trainer) -> MapKeeper | None:
    """What keeps maps of the run that skips, or of the only one."""
    if not trainer.settings.keep_maps:
        return None
    scale = _scale(data)
    return MapKeeper(trainer.model, data.test, scale, count=trainer.settings.keep_maps)


def _config(data: DataSplits, settings: TrainSettings, *, compare: bool) -> dict[str, Any]:
    sizes = {"train_images": len(data.train), "test_images": len(data.test)}
    return {"command": "train", "data": data.name, **sizes, "compare": compare, **asdict(settings)}


def _open_folder(
    out: Path, config: dict[str, Any], note: Mapping[str, Any], *, resume: bool
) -> None:
    if not resume:
        write_json(claim(out) / "config.json", {**config, **note})
        return
    stored = read_json(out / "config.json")
    usual = asdict(TrainSettings())  # of what was no setting yet when the run began
    for key, got in {**note, **config}.items():
        expected = stored.get(key, usual.get(key, got))
        if expected != got and key != "command_line":
            raise InvalidValueError(
                f"{key}: expected {expected!r} as the run in {out} has, got {got!r}"
            )


def _checkpoint(out: Path, trainer: Trainer) -> Path:
    return out / f"checkpoint-{trainer.name}.safetensors"


def _load(trainer: Trainer, out: Path) -> None:
    path = _checkpoint(out, trainer)
    if path.is_file():
        trainer.load_state(*read_tensors(path))


def _result(data: DataSplits, trainers: list[Trainer]) -> dict[str, Any]:
    results = [
        run_result(trainer, data.name, data.train.class_names) | _beside(trainer, data)
        for trainer in trainers
    ]
    return results[0] if len(results) == 1 else comparison_result(*results)


def _beside(trainer: Trainer, data: DataSplits) -> dict[str, float]:
    """The accuracy on each further part."""
    return {
        f"{name}_accuracy": trainer.judge(judging_batches(part, data.shape, trainer.device))[0]
        for name, part in data.beside.items()
    }


def _scale(data: DataSplits) -> Normalisation:
    """What images in bytes are normalised with, for those who use the network later."""
    scale = data.test.normalisation
    assert scale is not None  # noqa: S101 - test images are bytes, and measured
    return scale


def _close_folder(
    out: Path, trainers: list[Trainer], result: dict[str, Any], data: DataSplits
) -> None:
    """Write the weights, then the result, then drop the checkpoints that are not needed now."""
    scale = _scale(data)
    for trainer in trainers:
        both = len(trainers) == 2 and trainer.name == "plain"
        name = "model-plain.safetensors" if both else "model.safetensors"
        note = {"model": trainer.settings.model, "mean": scale.mean, "std": scale.std}
        note |= {"shape": list(data.shape), "classes": data.train.class_names}
        write_tensors(out / name, trainer.model.state_dict(), note)
    write_json(out / "result.json", result)
    _sweep(out)


@contextmanager
def _leaving_nothing(out: Path | None) -> Iterator[None]:
    """Where a run fails before its first checkpoint, give the folder back for another try."""
    try:
        yield
    except Exception:
        if out is not None and {file.name for file in out.iterdir()} <= {"config.json", PROGRESS}:
            for name in ("config.json", PROGRESS):
                (out / name).unlink(missing_ok=True)
        raise


def _sweep(out: Path) -> None:
    """Drop what a finished run needs no more, and what a killed one may have left half-written."""
    shutil.rmtree(out / PREFIX, ignore_errors=True)
    for pattern in ("checkpoint-*.safetensors", PROGRESS, ".*.tmp"):
        for file in out.glob(pattern):
            file.unlink(missing_ok=True)
