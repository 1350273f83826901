"""Arrays that numpy saved: `x_train, y_train, x_test, y_test`, or `x, y`."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.data.labels import encode_labels
from imprint.data.pixels import CHANNELS, array_tensor, lay_on_white, to_bytes
from imprint.data.scaling import resize
from imprint.data.seeds import generator_of
from imprint.data.source import ReadOptions, Source
from imprint.data.splits import stratified_split
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet

__all__ = ["SOURCE", "image_tensor", "read_npz", "survey_npz"]

SPLIT = ("x_train", "y_train", "x_test", "y_test")
WHOLE = ("x", "y")


def read_npz(path: Path, options: ReadOptions | None = None) -> DataSplits:
    """Read images and labels from an `.npz` file.

    Args:
        path: holds `x_train, y_train, x_test, y_test`, or `x, y`, which are then split. Images are
            `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`, see `image_tensor`; labels are `(N,)`,
            whole numbers or strings.
        options: the split of `x, y`.

    Returns:
        images `(N, C, H, W)`, named after the file.

    Raises:
        DamagedFileError: where the file cannot be read.
        InvalidValueError: where names, shapes or values are not as above, or an array holds Python
            objects, which only unpickling could read.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "set.npz"
        ...     np.savez(path, x=np.zeros((4, 8, 8), np.uint8), y=["a", "a", "b", "b"])
        ...     read_npz(path).train.images.shape
        torch.Size([2, 1, 8, 8])
    """
    options = options or ReadOptions()
    arrays = _read_arrays(path)
    pairs = [
        (_images(path, arrays[x], x, arrays[y]), arrays[y])
        for x, y in zip(list(arrays)[::2], list(arrays)[1::2], strict=True)
    ]
    if len(pairs) == 1:
        return _split(path, *pairs[0], options)
    (train, train_values), (test, test_values) = pairs
    if train.shape[1:] != test.shape[1:]:
        got = f"{tuple(train.shape)} and {tuple(test.shape)}"
        raise InvalidValueError(f"{path}: expected x_train and x_test of one shape, got {got}")
    train_labels, test_labels, names = encode_labels(train_values, test_values)
    return DataSplits(
        path.name, ImageSet(train, train_labels, names), ImageSet(test, test_labels, names)
    )


def survey_npz(path: Path, options: ReadOptions | None = None) -> dict[str, DataPart]:
    """Read an `.npz` file as it lies: `x, y` stay whole.

    Args:
        path: as for `read_npz`; one class will do.
        options: the size of the images; None keeps them.

    Returns:
        `train` and `test`, or `all`.

    Raises:
        DamagedFileError: where the file cannot be read.
        InvalidValueError: as for `read_npz`.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "set.npz"
        ...     np.savez(path, x=np.zeros((4, 8, 8), np.uint8), y=["a", "a", "a", "a"])
        ...     list(survey_npz(path))
        ['all']
    """
    side = options.image_size if options else None
    arrays = _read_arrays(path)
    pairs = list(zip(list(arrays)[::2], list(arrays)[1::2], strict=True))
    images = [_images(path, arrays[x], x, arrays[y]) for x, y in pairs]
    values = [np.atleast_1d(arrays[y].squeeze()) for _, y in pairs]
    together, _, names = encode_labels(np.concatenate(values), least=1)
    labels = torch.split(together, [len(part) for part in values])
    parts = ("all",) if len(pairs) == 1 else ("train", "test")
    sized = (pixels if side is None else resize(pixels, side) for pixels in images)
    return {
        part: DataPart(ImageSet(pixels, codes, names))
        for part, pixels, codes in zip(parts, sized, labels, strict=True)
    }


def _split(
    path: Path, images: Tensor, values: npt.NDArray[np.generic], options: ReadOptions
) -> DataSplits:
    labels, _, names = encode_labels(values)
    rows = stratified_split(
        labels, test_share=options.test_share, generator=generator_of(options.seed)
    )
    train, test = (ImageSet(images[part], labels[part], names) for part in rows)
    return DataSplits(path.name, train, test)


def _read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        # numpy leaves a damaged file open where it opens the file itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = next((n for n in (SPLIT, WHOLE) if set(n) <= set(archive.files)), None)
            if names is None:
                expected = f"{', '.join(SPLIT)} or {', '.join(WHOLE)}"
                got = ", ".join(archive.files) or "nothing"
                raise InvalidValueError(f"{path}: expected the arrays {expected}, got {got}")
            return {name: archive[name] for name in names}
    except InvalidValueError:
        raise
    except ValueError as error:
        if "Object arrays" in str(error):
            text = f"{path}: expected numbers and strings, got an array of Python objects"
            raise InvalidValueError(text) from error
        raise DamagedFileError(f"{path}: expected an .npz file, got {error}") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        AttributeError,
        TypeError,
        RuntimeError,
    ) as error:
        raise DamagedFileError(f"{path}: expected an .npz file, got {error}") from error


def _images(
    path: Path, array: npt.NDArray[np.generic], name: str, labels: npt.NDArray[np.generic]
) -> Tensor:
    images = image_tensor(array, f"{path}, {name}")
    if len(images) != len(np.atleast_1d(labels)):
        got = f"{len(images)} images and labels {labels.shape}"
        raise InvalidValueError(f"{path}: expected one label for each of {name}, got {got}")
    return images


def image_tensor(array: npt.NDArray[np.generic], name: str) -> Tensor:
    """Bring an array of images to the library's layout.

    Args:
        array: `(N, H, W)`; `(N, H, W, C)`, which it is where the last axis has 1, 3 or 4
            entries; otherwise `(N, C, H, W)`, C of 1, 3 or 4 (RGBA). Integers in `0 … 255` or
            floats in [0, 1].
        name: what an error calls it.

    Returns:
        `(N, C, H, W)`, uint8, C of 1 or 3; transparency is laid on white.

    Raises:
        InvalidValueError: for another shape or kind, no image, or pixels out of range.

    Examples:
        >>> image_tensor(np.ones((2, 8, 9, 3)), "x").shape
        torch.Size([2, 3, 8, 9])
    """
    shape = array.shape
    last = len(shape) == 4 and shape[3] in CHANNELS
    first = len(shape) == 4 and shape[1] in CHANNELS and not last
    if not (len(shape) == 3 or last or first) or 0 in shape:
        expected = "(N, H, W), (N, H, W, C) or (N, C, H, W), 1, 3 or 4 channels, no axis empty"
        raise InvalidValueError(f"{name}: expected {expected}, got {shape}")
    images = to_bytes(array_tensor(array, name), name)
    if last:
        return lay_on_white(images.permute(0, 3, 1, 2)).contiguous()
    return lay_on_white(images) if first else images.unsqueeze(1)


def _accepts(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".npz"


SOURCE = Source(
    "an .npz file with x_train, y_train, x_test, y_test or x, y", _accepts, read_npz, survey_npz
)
