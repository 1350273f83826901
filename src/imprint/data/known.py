"""The data sets that Imprint knows by name."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from imprint.data.download import download
from imprint.data.idx import IDX_FILES, read_idx_folder
from imprint.data.parquet import read_parquet
from imprint.data.places import cache_folder, places
from imprint.errors import DamagedFileError, MissingFileError
from imprint.types import DataSplits

__all__ = ["KNOWN", "KnownSet", "at_hand", "content_digest", "read_known"]


@dataclass(frozen=True, kw_only=True)
class KnownSet:
    """A data set with a name.

    Args:
        name: what a user calls it.
        files: the names of its files.
        url: where these files are on the web, up to their names.
        read: reads the folder with the files and checks that they are the right ones.
        augmentations: those that fit it.
        advice: what a user can do where it is not found.
        embedded: its folder in the package, where it has one.

    Examples:
        >>> KNOWN["cifar10"].augmentations
        ('crop', 'flip')
    """

    name: str
    files: tuple[str, ...]
    url: str
    read: Callable[[Path], DataSplits]
    augmentations: tuple[str, ...]
    advice: str
    embedded: Path | None = None


def read_known(known: KnownSet) -> DataSplits:
    """Read a known set from the first place that has it, or else download it to the user's cache.

    Args:
        known: one of `KNOWN`.

    Returns:
        its training and test images, under its name.

    Raises:
        MissingFileError: where it is in no place and cannot be downloaded; lists the places.
        DamagedFileError: where the first place that has it holds something else.
        StorageError: where the cache cannot be written.

    Examples:
        >>> len(read_known(KNOWN["mnist"]).test)
        10000
    """
    looked = []
    for place in places(known.name, embedded=known.embedded):
        missing = _missing(place.folder, known.files)
        if place.folder is not None and not missing:
            return _named(known, known.read(place.folder))
        where = f"{place.folder} lacks {missing}" if place.folder else "not set"
        looked.append(f"{place.what} ({where})")
    return _named(known, _download(known, looked))


def at_hand(known: KnownSet) -> bool:
    """Tell whether a known set is on this machine, so that it is read without a download.

    Args:
        known: one of `KNOWN`.

    Returns:
        Whether one of its places has all of its files.

    Examples:
        >>> at_hand(KNOWN["mnist"])
        True
    """
    found = places(known.name, embedded=known.embedded)
    return any(place.folder is not None and not _missing(place.folder, known.files)
               for place in found)  # fmt: skip


def _missing(folder: Path | None, files: tuple[str, ...]) -> str:
    if folder is None or not folder.is_dir():
        return "everything"
    unpacked = (name.removesuffix(".gz") for name in files)
    pairs = zip(files, unpacked, strict=True)
    return ", ".join(a for a, b in pairs if not ((folder / a).exists() or (folder / b).exists()))


def _named(known: KnownSet, splits: DataSplits) -> DataSplits:
    return replace(splits, name=known.name, augmentations=known.augmentations)


def _download(known: KnownSet, looked: list[str]) -> DataSplits:
    urls = [f"{known.url}/{file}" for file in known.files]
    try:
        return download(urls, cache_folder(known.name), check=known.read)
    except MissingFileError as error:
        raise MissingFileError(
            f"{known.name}: expected it in one of these places: {'; '.join(looked)}; and it could "
            f"not be downloaded ({error}). {known.advice}"
        ) from error


def content_digest(images: Tensor, labels: Tensor) -> str:
    """Digest pixels and labels, whatever the order and the encoding of the images.

    Args:
        images: `(N, C, H, W)`, uint8.
        labels: `(N,)`, int64.

    Returns:
        the sum of the rows' sha256 modulo 2^256, in hex; a row is its label's lowest byte, then
        its pixels.

    Source: Bellare & Micciancio (1997), "A new paradigm for collision-free hashing", AdHash.

    Examples:
        >>> import torch
        >>> images, labels = torch.eye(2, dtype=torch.uint8).view(2, 1, 1, 2), torch.tensor([0, 1])
        >>> content_digest(images, labels) == content_digest(images.flip(0), labels.flip(0))
        True
    """
    rows = zip(labels.tolist(), images.numpy(), strict=True)
    digests = (hashlib.sha256(bytes([y & 255]) + x.tobytes()).digest() for y, x in rows)
    return f"{sum(int.from_bytes(digest) for digest in digests) % 2**256:064x}"


def _read_checked_parquet(folder: Path, *, digests: tuple[str, str]) -> DataSplits:
    """Check what the files hold, not their bytes: one set is about in several encodings."""
    splits = read_parquet(folder)
    for name, part, digest in zip(
        ("train", "test"), (splits.train, splits.test), digests, strict=True
    ):
        got = content_digest(part.images, part.labels)
        if got != digest:
            expected = f"images and labels of digest {digest}"
            raise DamagedFileError(f"{folder}, {name}: expected {expected}, got {got}")
    return splits


def _read_checked_idx(
    folder: Path, *, digests: tuple[str, ...], names: tuple[str, ...] | None = None
) -> DataSplits:
    by_file = dict(zip(IDX_FILES, digests, strict=True))
    return read_idx_folder(folder, digests=by_file, class_names=names)


PACKED = tuple(f"{name}.gz" for name in IDX_FILES)

MNIST = KnownSet(
    name="mnist",
    files=PACKED,
    url="https://ossci-datasets.s3.amazonaws.com/mnist",
    read=partial(
        _read_checked_idx,
        digests=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    augmentations=("crop",),
    advice="It comes with the package: install imprint anew.",
    embedded=Path(__file__).parent / "embedded",
)

FASHION_MNIST = KnownSet(
    name="fashion-mnist",
    files=PACKED,
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    read=partial(
        _read_checked_idx,
        digests=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
    augmentations=("crop", "flip"),
    advice=(
        "On Debian, run: apt-get install dataset-fashion-mnist. Elsewhere, set IMPRINT_DATA to a "
        "folder in which fashion-mnist/ holds these four files."
    ),
)

CIFAR10 = KnownSet(
    name="cifar10",
    files=("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
    url="https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text",
    read=partial(
        _read_checked_parquet,
        digests=(
            "d17523651dcffdf1be45e6671e5077f61b15cbf5376a64e556c870e6fb6066d3",
            "ab21d127e2bbf4b95f1588dcadf3c8502b8fedb328dd5315bc7fa51b5ab965c0",
        ),
    ),
    augmentations=("crop", "flip"),
    advice=(
        "Download the two parquet files of huggingface.co/datasets/uoft-cs/cifar10 where there is "
        "a network, and set IMPRINT_DATA to a folder in which cifar10/ holds them."
    ),
)

KNOWN = {known.name: known for known in (MNIST, FASHION_MNIST, CIFAR10)}
"""The known sets by name."""
