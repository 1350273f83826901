"""The data of a run, split as the run split them."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from imprint.cli import options
from imprint.cli.audio_options import as_long, audio_of
from imprint.cli.networks import check_classes, check_shape, split_seed_of
from imprint.data import (
    KNOWN,
    AudioOptions,
    load,
    normalisation,
    read_picture,
    read_sound_picture,
)
from imprint.runs import read_json
from imprint.training import Trained
from imprint.types import DataSplits, ImageSet, Normalisation

__all__ = [
    "SOUND_CHANNELS",
    "audio_as",
    "check_fits",
    "config_of",
    "load_as",
    "reader_of",
    "split_of",
    "warn_of_other_images",
]

Split = tuple[tuple[str, Any], ...]

SOUND_CHANNELS = 2
"""Log-mel and chroma."""

ROUNDED = 1e-5
"""By how much means of images may differ that are the same, of pixels in [0, 1]."""


def load_as(name: str, trained: Trained, data: str, image_size: int | None = None) -> DataSplits:
    """Load data so that what a run held out is their test part.

    Args:
        name: the run's folder.
        trained: its network.
        data: the data's name.
        image_size: side in pixels that images are brought to; None for the run's.

    Returns:
        The data.

    Raises:
        ImprintError: where they are not to be read, or of another shape or other classes than the
            run's.
    """
    config = config_of(name)
    size = config.get("image_size") if image_size is None else image_size
    read = partial(load, data, image_size=size, **dict(split_of(name, data)))
    audio = audio_as(name)
    splits = read(audio=audio)
    longer = as_long(audio, trained.shape, splits.shape)
    splits = splits if longer is None else read(audio=longer)
    check_fits(trained, name, splits.test)
    return splits


def check_fits(trained: Trained, name: str, part: ImageSet) -> None:
    """Check that images are such as a run was trained on.

    Args:
        trained: the run's network.
        name: its folder.
        part: the images.

    Raises:
        InvalidValueError: where shape or classes differ.
    """
    channels, height, width = part.images.shape[1:]
    check_shape(trained.shape, name, (channels, height, width))
    check_classes(trained, name, part.class_names)


def warn_of_other_images(trained: Trained, name: str, splits: DataSplits) -> None:
    """Warn where data are not those that a run was trained on: files may have come or gone since.

    Args:
        trained: the run's network.
        name: its folder.
        splits: the data, as the run would split them today.

    Warns:
        UserWarning: where there are more or fewer images than the run had, or their mean or
            deviation is another.
    """
    config, train = config_of(name), splits.train
    had = (config.get("train_images"), config.get("test_images"))
    got = (len(train), len(splits.test))
    own_scale = train.floats or "on_maps" in config  # not measured on these images
    if had in (got, (None, None)) and (own_scale or _alike(trained, normalisation(train.images))):
        return
    warnings.warn(
        f"data: expected the images of the run in {name}, {had[0]} to train and {had[1]} held out; "
        f"got others, {got[0]} and {got[1]}. If any of those held out now is among what the run "
        "has learnt from, what is measured on them means nothing",
        UserWarning,
        stacklevel=2,
    )


def _alike(trained: Trained, scale: Normalisation) -> bool:
    """Whether means and deviations agree up to the rounding of another machine's decoders."""
    own = trained.normalisation
    pairs = zip((*own.mean, *own.std), (*scale.mean, *scale.std), strict=True)
    return all(abs(one - other) < ROUNDED for one, other in pairs)


def split_of(name: str, data: str) -> Split:
    """Say how a run split its data; known sets have a split of their own.

    Args:
        name: the run's folder.
        data: the data's name.

    Returns:
        What `load` is to be told.
    """
    if data in KNOWN:
        return ()
    config = config_of(name)
    share = config.get("test_share", options.TEST_SHARE)
    return (("test_share", share), ("seed", split_seed_of(config)))


def audio_as(name: str | None, given: Mapping[str, Any] = MappingProxyType({})) -> AudioOptions:
    """Say how audio becomes images, such as a run was trained on.

    Args:
        name: the run's folder; anything else tells nothing.
        given: options by name, which count before the run's.

    Returns:
        The options.
    """
    path = None if name is None else Path(name) / "config.json"
    return audio_of(given, read_json(path) if path is not None and path.is_file() else None)


def reader_of(name: str, shape: tuple[int, int, int]) -> Callable[[Path], Tensor]:
    """Say how a single file becomes an image such as a network takes.

    Args:
        name: the network's, by which a run is found.
        shape: channels, height and width of its images.

    Returns:
        What reads an image file, or, for a network of sound, the middle of a file of audio, as long
        as the run's excerpts are.
    """
    if shape[0] != SOUND_CHANNELS:
        return partial(read_picture, shape=shape)
    audio = audio_as(name)
    return partial(read_sound_picture, audio=as_long(audio, shape, (*shape[:2], 0)) or audio)


def config_of(name: str) -> Mapping[str, Any]:
    """Read what a run was asked.

    Args:
        name: its folder.

    Returns:
        What its `config.json` holds.

    Raises:
        MissingFileError: where there is none.
    """
    return read_json(Path(name) / "config.json")
