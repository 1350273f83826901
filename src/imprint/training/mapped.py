"""Training on feature maps: a base run's maps in the place of the images."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from imprint.data import batches_of, normalise
from imprint.errors import InvalidValueError
from imprint.hashes import hash_tensors
from imprint.on_maps import Extraction, MapSettings, activation_after
from imprint.on_maps.forms import images_an_input
from imprint.runs import check_vacant, read_json, write_json
from imprint.training.building import build_trainer
from imprint.training.engine import find_device
from imprint.training.evaluation import class_hits
from imprint.training.job import train
from imprint.training.mapped_data import first_maps, map_splits, resolved
from imprint.training.progress import Progress
from imprint.training.settings import TrainSettings
from imprint.training.trained import Trained, load_trained
from imprint.types import DataSplits, ImageSet

__all__ = ["base_weights", "check_base", "train_on_maps"]

TEST_BATCH = 500
"""Images tested at a time."""

CHUNK = 4096
"""Maps that are counted together."""


def train_on_maps(
    data: DataSplits,
    run: Path | str,
    settings: TrainSettings,
    *,
    maps: MapSettings = MapSettings(),  # noqa: B008 - frozen
    store: Path | str | None = None,
    compare: bool = False,
    out: Path | str | None = None,
    resume: bool = False,
    on_extract: Callable[[Extraction], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_epoch: Callable[[str, dict[str, Any]], None] = lambda _name, _row: None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Train a base run's architecture on the feature maps of that run.

    The network is judged on the original test images, which the base's normalisation prepares, and
    on the maps of the test images; the base beside it on both.

    Args:
        data: the images that the base run was trained on.
        run: its folder.
        settings: how to train; `model` must be the base's.
        maps: which maps, and from which weights.
        store: a folder to keep the maps in, for the next call and after an interruption; None takes
            one below `maps` in the base run's folder, for each layer, stage and data set.
        compare: and the others: as for `train`.
        out: a new or empty folder.
        resume: continue the job in `out`.
        on_extract: called as the maps are taken.
        on_step: called after each optimizer step.
        on_epoch: called after each epoch.
        note: what else `config.json` is to hold.

    Returns:
        What `result.json` holds; `docs/maps.md` lists what it has beside that of `train`.

    Raises:
        ImprintError: as `train` does; where the base run is missing, or of other classes, images or
            another architecture; for a layer that gives no maps, a store of other maps, or a disk
            that will not hold them.

    Examples:
        >>> train_on_maps(None, "nowhere", TrainSettings())
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    base = load_trained(Path(run))
    check_base(base, Path(run), data, settings)
    maps = resolved(maps, base)
    base.model.to(find_device(settings.device))
    _check_before(data, base, settings, maps, compare=compare)
    if out is not None and not resume:
        check_vacant(Path(out))
    folder = _usual_folder(Path(run), maps, data) if store is None else Path(store)
    splits = map_splits(data, base, maps, folder, on_extract=on_extract)
    chosen = {name: value for name, value in asdict(maps).items() if name != "layer"}
    about = {"on_maps": str(run), "maps_layer": maps.layer, **chosen}
    result = train(
        splits,
        settings,
        compare=compare,
        out=out,
        resume=resume,
        start=base.model.state_dict() if maps.init == "base" else None,
        on_step=on_step,
        on_epoch=on_epoch,
        note={**note, **about},
    )
    result |= about | _described(base, splits, maps)
    if out is not None:
        write_json(Path(out) / "result.json", result)
    return result


def base_weights(run: Path | str, data: DataSplits, settings: TrainSettings) -> dict[str, Tensor]:
    """Load the weights of a run to start another one from.

    Args:
        run: its folder.
        data: what is to be trained on.
        settings: how; `model` must be the run's.

    Returns:
        parameters and buffers by name.

    Raises:
        MissingFileError: where there is no such run.
        InvalidValueError: where architecture, images or classes are others.

    Examples:
        >>> base_weights("nowhere", None, TrainSettings())
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    base = load_trained(Path(run))
    check_base(base, Path(run), data, settings)
    return base.model.state_dict()


def check_base(base: Trained, run: Path, data: DataSplits, settings: TrainSettings) -> None:
    """Check that a base run fits the data and the settings.

    Args:
        base: its network.
        run: its folder, for the error.
        data: what is to be trained on.
        settings: how.

    Raises:
        InvalidValueError: where architecture, images or classes are others.

    Examples:
        >>> check_base(None, Path("nowhere"), None, TrainSettings())
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/config.json, found none
    """
    pairs = {
        "model": (read_json(run / "config.json").get("model"), settings.model),
        "data": (f"images {base.shape}", f"images {data.shape}"),
        "classes": (_named(base.class_names), _named(data.train.class_names)),
    }
    for name, (expected, got) in pairs.items():
        if expected != got:
            raise InvalidValueError(
                f"{name}: expected {expected}, as the run in {run} has; got {got}"
            )


def _check_before(
    data: DataSplits, base: Trained, settings: TrainSettings, maps: MapSettings, *, compare: bool
) -> None:
    """Check before maps are taken what would be refused after: on stand-ins of one pixel."""
    per = images_an_input(maps.form, first_maps(data.train, base, maps).shape[1])
    labels = data.train.labels.repeat_interleave(per)
    pixels = torch.zeros(1, 1, 1, 1, dtype=torch.float16).expand(len(labels), -1, -1, -1)
    train_part = ImageSet(pixels, labels, data.train.class_names)
    test = replace(data.test, normalisation=base.normalisation)
    skips = compare and settings.skip == "none"
    asked = replace(settings, skip="imprint") if skips else settings
    build_trainer(DataSplits(data.name, train_part, test), asked)


def _named(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names[:12])}"


def _usual_folder(run: Path, maps: MapSettings, data: DataSplits) -> Path:
    """Where maps lie that nobody has given a place: one for each layer, stage and data set."""
    own = hash_tensors({"train": data.train.images, "test": data.test.images})
    return run / "maps" / f"{maps.layer}-{maps.stage}-{own[:8]}"


def _described(base: Trained, splits: DataSplits, maps: MapSettings) -> dict[str, Any]:
    """What the maps are like, and how the base fares on images and on maps."""
    images, shape, chunks = (
        splits.train.images,
        splits.shape,
        torch.split(splits.train.images, CHUNK),
    )
    return {
        "maps_activation": _activation(base, splits.test, maps),
        "maps_shape": list(images.shape[1:]),
        "maps_images": len(images),
        "maps_negative": sum(int((chunk < 0).sum()) for chunk in chunks) / images.numel(),
        "maps_zero": sum(int((chunk == 0).sum()) for chunk in chunks) / images.numel(),
        "base_test_accuracy": _accuracy(base, splits.test, shape),
        "base_test_maps_accuracy": _accuracy(base, splits.beside["test_maps"], shape),
    }


def _activation(base: Trained, images: ImageSet, maps: MapSettings) -> str | None:
    """The function whose output the maps are; None before it."""
    if maps.layer is None or maps.stage == "before-activation":
        return None
    device = next(base.model.parameters()).device
    first = normalise(images.images[:1].to(device), base.normalisation)
    return activation_after(base.model, maps.layer, first)[0]


def _accuracy(base: Trained, part: ImageSet, shape: tuple[int, int, int]) -> float:
    """The base's share of right answers."""
    batches = batches_of(
        part,
        min(TEST_BATCH, len(part)),
        part.normalisation,
        device=next(base.model.parameters()).device,
        shuffle=False,
        drop_last=False,
        shape=shape,
    )
    right, total = class_hits(base.model, batches.epoch(0), len(base.class_names))
    return int(right.sum()) / int(total.sum())
