"""Training on feature maps: a base run's maps in the place of the images."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from imprint.data import batches_of, normalise
from imprint.data.scaling import float_normalisation
from imprint.errors import InvalidValueError
from imprint.on_maps import (
    Extraction,
    MapStore,
    StoredMaps,
    activation_after,
    extract,
    hash_tensors,
    map_planes,
    stage_maps,
)
from imprint.on_maps.forms import images_an_input
from imprint.on_maps.settings import MapSettings
from imprint.runs import read_json, write_json
from imprint.training.engine import find_device
from imprint.training.evaluation import class_hits
from imprint.training.job import train
from imprint.training.progress import Progress
from imprint.training.settings import TrainSettings
from imprint.training.trained import Trained, load_trained
from imprint.types import DataSplits, ImageSet

__all__ = ["check_base", "map_splits", "train_on_maps"]

BATCH = 500
"""Images whose maps are taken together."""

CHUNK = 4096
"""Maps that are counted together."""

PARTS = ("train", "test")


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
    maps = replace(maps, layer=_layer(base, maps))
    folder = _usual_folder(Path(run), maps, data) if store is None else Path(store)
    splits = map_splits(data, base, maps, folder, on_extract=on_extract)
    chosen = {f"maps_{name}": value for name, value in asdict(maps).items()}
    about = {"on_maps": str(run), **chosen}
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
    result |= about | _described(base, splits, maps, settings)
    if out is not None:
        write_json(Path(out) / "result.json", result)
    return result


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


def _named(names: tuple[str, ...]) -> str:
    return f"{len(names)}: {', '.join(names[:12])}"


def map_splits(
    data: DataSplits,
    base: Trained,
    maps: MapSettings,
    store: Path,
    *,
    batch_size: int = BATCH,
    on_extract: Callable[[Extraction], None] = lambda _: None,
) -> DataSplits:
    """Take a network's maps of a data set, and make a data set of them.

    Args:
        data: the images.
        base: the network, and what its images are normalised with.
        maps: which maps.
        store: a folder; maps that it holds already are not taken again.
        batch_size: images that run together.
        on_extract: called as the maps are taken.

    Returns:
        To train on: the maps as one-channel images of their own size, half precision, mapped from
        the store where the form allows. To test on: the images as they are. Beside them
        `test_maps`, the test images' maps.

    Raises:
        LayerError: for a layer that gives no maps, or that no activation follows.
        InvalidValueError: where the store holds other maps.
        StorageError: where the disk will not hold them.

    Examples:
        >>> from imprint.models import build_model
        >>> from imprint.types import Normalisation
        >>> images = torch.randint(256, (8, 1, 16, 16), dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.arange(8) % 2, ("even", "odd"))
        >>> data, model = DataSplits("pair", pair, pair), build_model("paper", (1, 16, 16), 2)
        >>> base = Trained(model, "conv1", Normalisation((0.5,), (0.5,)), (1, 16, 16), ("even", "odd"))
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     map_splits(data, base, MapSettings(form="each"), Path(folder)).train.images.shape
        torch.Size([80, 1, 6, 6])
    """
    layer = _layer(base, maps)
    weights = hash_tensors(base.model.state_dict())
    stored = {}
    for part in PARTS:
        images: ImageSet = getattr(data, part)
        taken = _store_of(images, base, layer, maps, store / part, weights)
        read = _reader(images, base, layer, maps)
        stored[part] = extract(
            taken, read, batch_size=min(batch_size, len(images)), part=part, on_extract=on_extract
        )
    train_images = map_planes(stored["train"], maps.form)
    scale = float_normalisation(train_images) if maps.normalised else None

    def image_set(part: str) -> ImageSet:
        images, whole = stored[part], getattr(data, part)
        labels = whole.labels.repeat_interleave(images_an_input(maps.form, images.shape[1]))
        planes = train_images if part == "train" else map_planes(images, maps.form)
        return ImageSet(planes, labels, whole.class_names, scale)

    test = replace(data.test, normalisation=base.normalisation)
    beside = {"test_maps": image_set("test")}
    return DataSplits(data.name, image_set("train"), test, beside=beside)


def _layer(base: Trained, maps: MapSettings) -> str:
    layer = maps.layer or base.layer
    if layer is None:
        raise InvalidValueError("layer: expected one for a network of your own, got none")
    return layer


def _usual_folder(run: Path, maps: MapSettings, data: DataSplits) -> Path:
    """Where maps lie that nobody has given a place: one for each layer, stage and data set."""
    own = hash_tensors({part: getattr(data, part).images for part in PARTS})
    return run / "maps" / f"{maps.layer}-{maps.stage}-{own[:8]}"


def _reader(
    images: ImageSet, base: Trained, layer: str, maps: MapSettings
) -> Callable[[Tensor], Tensor]:
    """From rows of a part to their maps."""

    def read(rows: Tensor) -> Tensor:
        taken = normalise(images.images[rows], base.normalisation)
        return stage_maps(base.model, layer, maps.stage, taken)

    return read


def _store_of(
    images: ImageSet, base: Trained, layer: str, maps: MapSettings, folder: Path, weights: str
) -> MapStore:
    """The store of a part, empty or not; the maps of one image show their shape."""
    first = _reader(images, base, layer, maps)(torch.zeros(1, dtype=torch.int64))
    channels, height, width = first.shape[1:]
    data = hash_tensors({"images": images.images}, tuple(base.normalisation))
    about = StoredMaps(
        layer,
        maps.stage,
        len(images),
        (channels, height, width),
        "float16",
        weights=weights,
        data=data,
    )
    return MapStore(folder, about)


def _described(
    base: Trained, splits: DataSplits, maps: MapSettings, settings: TrainSettings
) -> dict[str, Any]:
    """What the maps are like, and how the base fares on images and on maps."""
    images, layer = splits.train.images, _layer(base, maps)
    first = normalise(splits.test.images[:1], base.normalisation)
    after = maps.stage == "after-activation"
    chunks = images.split(CHUNK)
    return {
        "maps_activation": activation_after(base.model, layer, first)[0] if after else None,
        "maps_shape": list(images.shape[1:]),
        "maps_images": len(images),
        "maps_negative": sum(int((chunk < 0).sum()) for chunk in chunks) / images.numel(),
        "maps_zero": sum(int((chunk == 0).sum()) for chunk in chunks) / images.numel(),
        "base_test_accuracy": _accuracy(base, splits.test, splits.shape, settings),
        "base_test_maps_accuracy": _accuracy(
            base, splits.beside["test_maps"], splits.shape, settings
        ),
    }


def _accuracy(
    base: Trained, part: ImageSet, shape: tuple[int, int, int], settings: TrainSettings
) -> float:
    """The base's share of right answers."""
    device = find_device(settings.device)
    batches = batches_of(
        part,
        min(BATCH, len(part)),
        part.normalisation,
        device=device,
        shuffle=False,
        drop_last=False,
        shape=shape,
    )
    model = copy.deepcopy(base.model).to(device)
    right, total = class_hits(model, batches.epoch(0), len(base.class_names))
    return int(right.sum()) / int(total.sum())
