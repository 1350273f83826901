"""The idx format of MNIST and its kin: a magic number, the dimensions, then bytes."""

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from imprint.data.labels import encode_labels
from imprint.data.source import ReadOptions, Source
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.types import DataSplits, ImageSet

__all__ = ["IDX_FILES", "SOURCE", "has_idx_files", "read_idx", "read_idx_folder"]

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The four files of MNIST and its kin, each with or without `.gz`."""

CHUNK = 1 << 20
DEFLATE_LIMIT = 1100
"""Deflate shrinks at most 1032-fold; dimensions that promise more are damage, not data."""


def read_idx(path: Path, *, sha256: str | None = None) -> Tensor:
    """Read one idx file, gzip or raw.

    Args:
        path: the file.
        sha256: of the raw bytes, header included, in hex; None checks no hash.

    Returns:
        the array, uint8, with the file's one to four dimensions.

    Raises:
        DamagedFileError: for a wrong magic number, too few or too many bytes, or another hash.
        FileNotFoundError: where there is no such file.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels-idx1-ubyte"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
        ...     read_idx(path)
        tensor([7, 9], dtype=torch.uint8)
    """
    digest = hashlib.sha256()
    with _raw(path) as stream:
        try:
            shape = _read_header(stream, path, digest)
            content = _read_content(stream, path, math.prod(shape), digest)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFileError(f"{path}: expected a whole gzip file, got {error}") from error
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DamagedFileError(f"{path}: expected sha256 {sha256}, got {digest.hexdigest()}")
    if not content:
        return torch.empty(shape, dtype=torch.uint8)
    return torch.frombuffer(content, dtype=torch.uint8).view(shape)


def _raw(path: Path) -> BinaryIO:
    """Open a file that may be compressed; its first bytes tell."""
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def _read_header(stream: BinaryIO, path: Path, digest: "hashlib._Hash") -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:3] != b"\x00\x00\x08" or not 1 <= magic[3] <= 4:
        got = magic.hex(" ") or "nothing"
        raise DamagedFileError(f"{path}: expected an idx file of bytes, 00 00 08 01…04, got {got}")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        expected = f"{4 + 4 * magic[3]} bytes of header"
        raise DamagedFileError(f"{path}: expected {expected}, got {4 + len(sizes)} bytes")
    digest.update(magic + sizes)
    return struct.unpack(f">{magic[3]}I", sizes)


def _read_content(
    stream: BinaryIO, path: Path, expected: int, digest: "hashlib._Hash"
) -> bytearray:
    """Read exactly the promised bytes, straight into the memory that the tensor will keep."""
    if expected > DEFLATE_LIMIT * path.stat().st_size:
        size = path.stat().st_size
        raise DamagedFileError(f"{path}: expected {expected} bytes of data, the file has {size}")
    content = bytearray(expected)
    view, got = memoryview(content), 0
    try:
        while got < expected and (piece := stream.readinto(view[got : got + CHUNK])):  # type: ignore[attr-defined]
            digest.update(view[got : got + piece])
            got += piece
        more = stream.read(1)
    except (EOFError, zlib.error) as error:
        text = f"{path}: expected {expected} bytes of data, got {got} ({error})"
        raise DamagedFileError(text) from error
    if got < expected or more:
        surplus = " and more" if more else ""
        raise DamagedFileError(f"{path}: expected {expected} bytes of data, got {got}{surplus}")
    return content


def has_idx_files(folder: Path) -> bool:
    """Tell whether a folder holds the four idx files, each with or without `.gz`.

    Args:
        folder: any path.

    Returns:
        whether all four are there.

    Examples:
        >>> has_idx_files(Path("nowhere"))
        False
    """
    return all(_find(folder, name).is_file() for name in IDX_FILES)


def _find(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name


def read_idx_folder(
    folder: Path,
    *,
    digests: Mapping[str, str] | None = None,
    class_names: tuple[str, ...] | None = None,
) -> DataSplits:
    """Read the four idx files of MNIST or of a set shaped like it.

    Args:
        folder: holds the files named in `IDX_FILES`, each with or without `.gz`.
        digests: the sha256 of the raw bytes by file name; None checks no hash.
        class_names: the names of labels 0 … K-1; None takes the labels themselves.

    Returns:
        images `(N, 1, H, W)`, named after the folder.

    Raises:
        DamagedFileError: where a file is not what it should be.
        InvalidValueError: where images and labels do not belong together.

    Examples:
        >>> read_idx_folder(Path(__file__).parent / "embedded").train.images.shape
        torch.Size([60000, 1, 28, 28])
    """
    arrays = [
        read_idx(_find(folder, name), sha256=digests[name] if digests else None)
        for name in IDX_FILES
    ]
    train_images, train_values, test_images, test_values = arrays
    _check_pair(folder, train_images, train_values)
    _check_pair(folder, test_images, test_values)
    train_labels, test_labels, names = encode_labels(
        train_values.numpy(), test_values.numpy(), names=class_names
    )
    train = ImageSet(train_images.unsqueeze(1), train_labels, names)
    return DataSplits(folder.name, train, ImageSet(test_images.unsqueeze(1), test_labels, names))


def _check_pair(folder: Path, images: Tensor, labels: Tensor) -> None:
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        got = f"{tuple(images.shape)} and {tuple(labels.shape)}"
        raise InvalidValueError(f"{folder}: expected images (N, H, W) and labels (N,), got {got}")


def _read(path: Path, options: ReadOptions) -> DataSplits:
    del options  # the files bring their own split; `load` resizes
    return read_idx_folder(path)


SOURCE = Source("a folder with MNIST's four idx files", has_idx_files, _read)
