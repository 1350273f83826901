import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import imprint.data
from imprint.data.idx import IDX_FILES, has_idx_files, read_idx, read_idx_folder
from imprint.data.known import MNIST
from imprint.errors import DamagedFileError, InvalidValueError

from .conftest import idx_bytes, write_idx_folder

ARRAY = np.arange(24).reshape(2, 3, 4)


@pytest.fixture(params=["packed", "raw"])
def write(request, tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "file-idx"
        path.write_bytes(gzip.compress(content) if request.param == "packed" else content)
        return path

    return write


def test_an_array_comes_back(write):
    content = idx_bytes(ARRAY)
    digest = hashlib.sha256(content).hexdigest()
    assert torch.equal(read_idx(write(content), sha256=digest), torch.from_numpy(ARRAY).byte())


def test_an_empty_array_comes_back(write):
    assert read_idx(write(idx_bytes(np.zeros((0, 5))))).shape == (0, 5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "00 00 08 01…04, got nothing"),
        (b"\x89PNG and more", "00 00 08 01…04, got 89 50 4e 47"),
        (b"\0\0\x0d\1" + bytes(8), "00 00 08 01…04, got 00 00 0d 01"),
        (idx_bytes(ARRAY)[:9], "16 bytes of header, got 9"),
        (idx_bytes(ARRAY)[:-5], "expected 24 bytes of data, got 19"),
        (idx_bytes(ARRAY) + b"!", "expected 24 bytes of data, got 24 and more"),
        (b"\0\0\x08\4" + b"\xff" * 16 + bytes(9), r"expected \d+ bytes of data, the file has"),
    ],
)
def test_damage_is_told_with_the_file_and_the_bytes(write, content, said):
    with pytest.raises(DamagedFileError, match=said) as caught:
        read_idx(write(content))
    assert "file-idx" in str(caught.value)


def test_a_truncated_gzip_is_told_with_the_bytes_it_gave(tmp_path):
    draw = np.random.default_rng(0).integers(0, 256, (100, 100, 100))
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx_bytes(draw))[:-200_000])
    with pytest.raises(DamagedFileError, match=r"file.gz: expected 1000000 bytes of data, got \d+"):
        read_idx(path)


@pytest.mark.parametrize("keep", [2, 5, 12, -4])
def test_gzip_cut_or_with_a_wrong_checksum_is_damage(tmp_path, keep):
    path = tmp_path / "file.gz"
    packed = gzip.compress(idx_bytes(ARRAY))
    path.write_bytes(packed[:keep] if keep > 0 else packed[:-8] + b"12345678")
    with pytest.raises(DamagedFileError, match=r"file\.gz"):
        read_idx(path)


def test_another_hash_is_damage(write):
    with pytest.raises(DamagedFileError, match="expected sha256 00, got"):
        read_idx(write(idx_bytes(ARRAY)), sha256="00")


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_of_idx_files_is_a_source(tmp_path, packed):
    folder = tmp_path / "kuzushiji"
    write_idx_folder(folder, packed=packed)
    splits = imprint.data.load(folder)
    assert splits.train.images.shape == (12, 1, 5, 4)
    assert splits.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert splits.train.class_names == ("0", "1", "2")


def test_images_and_labels_must_belong_together(tmp_path):
    write_idx_folder(tmp_path)
    shutil.copy(tmp_path / f"{IDX_FILES[3]}.gz", tmp_path / f"{IDX_FILES[1]}.gz")
    with pytest.raises(InvalidValueError, match=r"got \(12, 5, 4\) and \(6,\)"):
        read_idx_folder(tmp_path)
    (tmp_path / f"{IDX_FILES[0]}.gz").unlink()
    assert not has_idx_files(tmp_path)


def test_the_embedded_mnist_is_whole():
    splits = imprint.data.load("mnist")
    assert splits.train.images.shape == (60_000, 1, 28, 28)
    assert splits.test.images.shape == (10_000, 1, 28, 28)
    assert splits.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert splits.augmentations == ("crop",)
    mean, std = imprint.data.normalisation(splits.train.images)
    assert (round(mean[0], 4), round(std[0], 4)) == (0.1307, 0.3081)  # as everyone prints them


def test_the_licence_of_mnist_stands_beside_it():
    text = (MNIST.embedded / "LICENSE-MNIST.md").read_text()
    assert "CC BY-SA 3.0" in text
    assert all(name in text for name in ("LeCun", "Cortes", "Burges", "creativecommons.org"))


def test_mnist_with_one_byte_changed_is_damage(tmp_path):
    for name in IDX_FILES:
        shutil.copy(MNIST.embedded / f"{name}.gz", tmp_path)
    path = tmp_path / f"{IDX_FILES[1]}.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[100] ^= 1
    path.write_bytes(gzip.compress(raw))
    with pytest.raises(DamagedFileError, match=r"train-labels.*expected sha256 65a50cbb"):
        MNIST.read(tmp_path)
