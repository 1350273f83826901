"""A store of maps: one raw file that is mapped into memory, and what it holds as JSON beside it."""

import errno
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imprint.errors import DamagedFileError, InvalidValueError, StorageError
from imprint.runs import read_json, write_json

__all__ = ["MapStore", "StoredMaps", "check_space"]

FORMAT = 1
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class StoredMaps:
    """What a store holds.

    Args:
        layer: the layer's name.
        stage: `before-activation` or `after-activation`.
        count: N, the images.
        shape: of one image's maps, `(C, H, W)`.
        dtype: `float16`, `bfloat16` or `float32`.
        channels_last: whether the rows lie in the file as `(H, W, C)`.
        weights: a hash of the network.
        data: a hash of the images, and of what they are normalised with.

    Raises:
        InvalidValueError: for another type.

    Examples:
        >>> StoredMaps("conv1", "after-activation", 60000, (10, 12, 12), "float16").nbytes
        172800000
    """

    layer: str
    stage: str
    count: int
    shape: tuple[int, int, int]
    dtype: str
    channels_last: bool = False
    weights: str = ""
    data: str = ""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InvalidValueError(f"dtype: expected {', '.join(DTYPES)}, got {self.dtype}")

    @property
    def row_bytes(self) -> int:
        """Bytes of one image's maps."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return self.count * self.row_bytes

    def empty(self, rows: int) -> Tensor:
        """Give room for some images' maps, `(rows, C, H, W)`, in the store's type and layout."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return torch.empty(rows, *self.shape, dtype=DTYPES[self.dtype], memory_format=layout)


def check_space(stores: Sequence["MapStore"]) -> None:
    """Check, before any work, that a disk would hold what some stores on it lack.

    Args:
        stores: one or more, side by side.

    Raises:
        StorageError: where it would not; it says how much is needed and free.

    Examples:
        >>> about = StoredMaps("conv1", "before-activation", 10**9, (10**9, 1, 1), "float16")
        >>> check_space([MapStore(Path("maps"), about)])
        Traceback (most recent call last):
        imprint.errors.StorageError: maps: expected 2,000,000,000,000.0 MB for the maps of ...
    """
    folder = stores[0].folder
    parents = (folder, *folder.absolute().parents)
    free = shutil.disk_usage(next(path for path in parents if path.is_dir())).free
    missing = [(own.about.count - own.rows, own.about.row_bytes) for own in stores]
    needed = sum(rows * size for rows, size in missing)
    if needed > free:
        count = sum(rows for rows, _ in missing)
        expected = f"{needed / 1e6:,.1f} MB for the maps of {count:,} images"
        raise StorageError(f"{folder}: expected {expected}, got {free / 1e6:,.1f} MB free")


class MapStore:
    """Maps of all images of a layer, in a folder, written some at a time and read as one tensor.

    Only what `maps.json` counts is there: what was being written when a process ended, or a disk
    was full, is written again by the next one.

    Args:
        folder: where the store is, or is to be; made at the first `append`.
        about: what it is to hold.

    Attributes:
        rows: how many images' maps are there.

    Raises:
        InvalidValueError: where the folder holds other maps; it says in what they differ.
        DamagedFileError: where its files do not fit each other.

    Examples:
        >>> import tempfile
        >>> about = StoredMaps("conv1", "before-activation", 2, (1, 1, 2), "float16")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = MapStore(Path(folder), about)
        ...     store.append(torch.ones(2, 1, 1, 2))
        ...     store.maps().shape
        torch.Size([2, 1, 1, 2])
    """

    def __init__(self, folder: Path, about: StoredMaps) -> None:
        self.folder, self.about = folder, about
        self.rows = 0
        if (folder / "maps.json").is_file():
            self.rows = self._read_rows()

    @property
    def complete(self) -> bool:
        """Whether all images' maps are there."""
        return self.rows == self.about.count

    def append(self, maps: Tensor) -> None:
        """Write the next images' maps; they count once they are on the disk.

        Args:
            maps: `(M, C, H, W)`, floats, of the images after those that are there.

        Raises:
            InvalidValueError: for another shape, or values that are not finite in the store's type.
            StorageError: where the disk is full or read-only; what was there before stays.
        """
        rows = self._rows_of(maps)
        data = self._bytes_of(rows)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _opened(self.folder / "maps.bin") as file:
                file.seek(self.rows * self.about.row_bytes)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(self._told(error)) from error
        count = self.rows + len(rows)
        write_json(self.folder / "maps.json", _head(self.about) | {"rows": count})
        self.rows = count

    def maps(self) -> Tensor:
        """Map all of it into memory; nothing is read before it is used.

        Returns:
            `(N, C, H, W)`, in the store's type; not to be written to.

        Raises:
            DamagedFileError: where the store is not complete, or its file too short.
        """
        path, about = self.folder / "maps.bin", self.about
        size = path.stat().st_size if path.is_file() else 0
        if not self.complete or size < about.nbytes:
            expected = f"maps of {about.count:,} images, {about.nbytes:,} bytes"
            raise DamagedFileError(f"{path}: expected {expected}; got {self.rows:,}, {size:,}")
        return self.first(about.count)

    def first(self, rows: int) -> Tensor:
        """Map the first rows into memory, `(rows, C, H, W)`; all that are there, where fewer."""
        about, dtype = self.about, DTYPES[self.about.dtype]
        channels, height, width = about.shape
        count = min(rows, self.rows)
        numbers, path = count * math.prod(about.shape), str(self.folder / "maps.bin")
        flat = torch.from_file(path, shared=False, size=numbers, dtype=dtype)
        if about.channels_last:
            return flat.view(count, height, width, channels).permute(0, 3, 1, 2)
        return flat.view(count, channels, height, width)

    def _rows_of(self, maps: Tensor) -> Tensor:
        """The maps in the store's type and on the CPU, checked."""
        fits = maps.shape[1:] == self.about.shape and len(maps) <= self.about.count - self.rows
        if not fits:
            expected = f"({self.about.count - self.rows} or fewer, {self.about.shape})"
            raise InvalidValueError(f"maps: expected {expected}, got {tuple(maps.shape)}")
        rows = maps.detach().to("cpu", DTYPES[self.about.dtype])
        if not all(math.isfinite(float(value)) for value in rows.aminmax()):
            most = float(maps.abs().max())
            expected = f"finite values in {self.about.dtype}"
            raise InvalidValueError(
                f"maps of {self.about.layer}: expected {expected}, got {most:g} at most"
            )
        return rows

    def _bytes_of(self, rows: Tensor) -> Any:
        laid = rows.permute(0, 2, 3, 1) if self.about.channels_last else rows
        return laid.reshape(-1).view(torch.uint8).numpy()

    def _read_rows(self) -> int:
        """How many rows an earlier process has left here, of the same maps."""
        path = self.folder / "maps.json"
        head, expected = read_json(path), _head(self.about)
        for key, value in expected.items():
            if head.get(key) != value:
                problem = f"expected maps of {key} {_shown(value)}, got {_shown(head.get(key))}"
                hint = "a store of another run, data or layer; name another store, or remove it"
                raise InvalidValueError(f"store {self.folder}: {problem} ({hint})")
        rows = head.get("rows")
        file = self.folder / "maps.bin"
        if not file.is_file():
            return 0  # nothing is left to go on from
        size = file.stat().st_size
        if not isinstance(rows, int) or not 0 <= rows <= self.about.count:
            raise DamagedFileError(f"{path}: expected rows 0 … {self.about.count}, got {rows!r}")
        if size < rows * self.about.row_bytes:
            expected_size = f"at least {rows * self.about.row_bytes:,} bytes, as maps.json says"
            raise DamagedFileError(f"{file}: expected {expected_size}; got {size:,}")
        return rows

    def _told(self, error: OSError) -> str:
        """A full disk, and what is to be done."""
        kept = f"{self.rows:,} of {self.about.count:,} images are stored"
        more = f"; {kept}, the same command goes on from there" if _is_full(error) else ""
        reason = f"expected to be able to write here, {error.strerror}"
        return f"{self.folder / 'maps.bin'}: {reason}{more}"


def _opened(path: Path) -> Any:
    """A file to write within, made where it is not there."""
    return path.open("r+b" if path.is_file() else "w+b")


def _head(about: StoredMaps) -> dict[str, Any]:
    return {"format": FORMAT, **asdict(about), "shape": list(about.shape)}


def _shown(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 32 else f"{value}"


def _is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
