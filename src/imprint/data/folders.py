"""A folder with one folder of images per class, on disk or read as needed."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from imprint.data.decoding import (
    Decoded,
    Encoded,
    Shape,
    choose_shape,
    decode,
    decode_all,
    decode_readable,
    survey,
)
from imprint.data.labels import encode_labels
from imprint.data.parts import folders_by_class, is_hidden, part_folders, spelled, split_folders
from imprint.data.seeds import generator_of
from imprint.data.source import ReadOptions, Source
from imprint.data.splits import stratified_split
from imprint.errors import InvalidValueError
from imprint.types import DataPart, DataSplits, ImageSet, Unreadable

__all__ = ["IMAGE_SUFFIXES", "SOURCE", "FolderImages", "read_folder", "survey_folder"]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
)
AT_ONCE = 256
"""Images handed to the decoding threads at a time."""


class FolderImages(Dataset[tuple[Tensor, int]]):
    """A folder of class folders as a map-style data set: each image is read when it is asked for.

    For sets too large to be decoded once; `LoaderBatches` makes batches of it.

    Args:
        path: one folder per class below it; their names, sorted, are the classes.
        image_size: side of the images in pixels; None: their own where all agree, else the median,
            at most 224 on the longer side.

    Attributes:
        labels: `(N,)`, int64 in `0 … K-1`.
        classes: the K class names.
        shape: channels, height and width of each image.

    Raises:
        InvalidValueError: for no class folders, only one, or one without an image.
        DamagedFileError: for an image that cannot be read.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("cat", "dog"):
        ...         (Path(folder) / name).mkdir()
        ...         Image.new("L", (9, 8)).save(Path(folder) / name / "1.png")
        ...     images = FolderImages(Path(folder))
        ...     images[1][0].shape, images[1][1], images.classes
        (torch.Size([1, 8, 9]), 1, ('cat', 'dog'))
    """

    def __init__(self, path: Path, *, image_size: int | None = None) -> None:
        options = ReadOptions(image_size=image_size)
        self.files, values = _list_images(path)
        self.labels, _, self.classes = encode_labels(values)
        headers = survey(image for images in _stream(self.files) for image in images)
        self.shape: Shape = choose_shape(headers, image_size=options.image_size)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        file = self.files[row]
        pixels = decode(Encoded(str(file), file), self.shape)
        return torch.from_numpy(pixels.copy()), int(self.labels[row])


def read_folder(path: Path, options: ReadOptions | None = None) -> DataSplits:
    """Read a folder of class folders, or one with such a folder for training and one for testing.

    Args:
        path: holds a folder per class; or `train` and one of `test`, `val`, `validation`, each
            with a folder per class. A class is named after its folder; files with no image suffix
            are passed over.
        options: the split where the folder has none, and the size of the images.

    Returns:
        images `(N, C, H, W)`, C = 1 where all are grey; see `decode_all` for sizes and memory.

    Raises:
        InvalidValueError: for no class folders, only one, one without an image, or a class that
            only the test folder has.
        DamagedFileError: for an image that cannot be read.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     read_folder(Path(folder))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ...: expected one folder per class, got no folder
    """
    options = options or ReadOptions()
    train_path, test_path = split_folders(path)
    train_files, train_values = _list_images(train_path)
    if test_path is not None:
        test_files, test_values = _list_images(test_path)
        train_labels, test_labels, names = encode_labels(train_values, test_values)
    else:
        labels, _, names = encode_labels(train_values)
        generator = generator_of(options.seed)
        rows = stratified_split(labels, test_share=options.test_share, generator=generator)
        train_labels, test_labels = (labels[part] for part in rows)
        train_files, test_files = ([train_files[row] for row in part.tolist()] for part in rows)
    streams = [partial(_stream, files) for files in (train_files, test_files)]
    train, test = decode_all(streams, image_size=options.image_size)
    return DataSplits(
        path.name, ImageSet(train, train_labels, names), ImageSet(test, test_labels, names)
    )


def survey_folder(path: Path, options: ReadOptions | None = None) -> dict[str, DataPart]:
    """Read a folder of class folders as it lies: no split is drawn, what is broken is listed.

    Args:
        path: as for `read_folder`; one class will do, and a class folder may be empty.
        options: the size of the images.

    Returns:
        `train` and `test` where the folder has both, with `val` and the like where there are more;
        else `all`.

    Raises:
        InvalidValueError: for no class folders, or no image that can be read.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "cat").mkdir()
        ...     (Path(folder) / "cat" / "0.png").write_bytes(b"no image")
        ...     Image.new("L", (9, 8)).save(Path(folder) / "cat" / "1.png")
        ...     part = survey_folder(Path(folder))["all"]
        ...     part.paths, [broken.path for broken in part.unreadable]
        8
        (('cat/1.png',), ['cat/0.png'])
    """
    options = options or ReadOptions()
    folders = part_folders(path)
    found = {name: _list_images(folder, lenient=True) for name, folder in folders.items()}
    names = sorted({name for place in folders.values() for name in folders_by_class(place)})
    decoded = decode_readable(
        [partial(_stream, files) for files, _ in found.values()], image_size=options.image_size
    )
    return {
        name: _part(path, *found[name], part, tuple(names))
        for name, part in zip(found, decoded, strict=True)
    }


def _part(
    path: Path, files: list[Path], values: list[str], decoded: Decoded, names: tuple[str, ...]
) -> DataPart:
    labels = [names.index(value) for value in values]
    shown = [spelled(file.relative_to(path).as_posix()) for file in files]
    read = [row for row in range(len(files)) if row not in decoded.failures]
    return DataPart(
        ImageSet(decoded.images, torch.tensor([labels[row] for row in read]).long(), names),
        tuple(shown[row] for row in read),
        tuple(Unreadable(shown[row], labels[row], why) for row, why in decoded.failures.items()),
        decoded.forms,
    )


def _list_images(path: Path, *, lenient: bool = False) -> tuple[list[Path], list[str]]:
    """List the images of all classes in order, and the class of each."""
    folders = folders_by_class(path)
    if not folders:
        raise InvalidValueError(f"{path}: expected one folder per class, got no folder")
    files, values = [], []
    for name, folder in folders.items():
        images = sorted(path for path in folder.rglob("*") if _is_image(path, folder))
        if not images and not lenient:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
            raise InvalidValueError(f"{folder}: expected images ({suffixes}), got none")
        files += images
        values += [name] * len(images)
    return files, values


def _is_image(path: Path, folder: Path) -> bool:
    """Whether a path names an image; what is hidden, as thumbnails are, does not count."""
    named = path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path, folder)
    return named and path.is_file()


def _stream(files: Sequence[Path]) -> Iterator[list[Encoded]]:
    for start in range(0, len(files), AT_ONCE):
        yield [Encoded(str(file), file) for file in files[start : start + AT_ONCE]]


SOURCE = Source(
    "a folder with one folder of images per class", Path.is_dir, read_folder, survey_folder
)
