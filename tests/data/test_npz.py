import numpy as np
import pytest
import torch

import imprint.data
from imprint.data.npz import image_tensor, read_npz
from imprint.errors import DamagedFileError, InvalidValueError

X = np.random.default_rng(0).integers(0, 256, (12, 6, 5)).astype(np.uint8)
Y = np.arange(12) % 3 * 10


@pytest.fixture
def write(tmp_path):
    def _write(**arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return tmp_path / "set.npz"

    return _write


def test_four_arrays_are_both_splits(write):
    path = write(x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4])
    splits = imprint.data.load(path)
    assert torch.equal(splits.train.images[:, 0], torch.from_numpy(X))
    assert splits.train.labels.tolist() == [0, 1, 2] * 4
    assert splits.test.class_names == ("0", "10", "20")
    assert len(splits.test) == 4


def test_two_arrays_are_split(write):
    splits = imprint.data.load(write(x=X, y=Y.astype(str)), test_share=0.5, seed=2)
    both = torch.cat([splits.train.images, splits.test.images])[:, 0]
    assert sorted(both.tolist()) == sorted(X.tolist())
    assert splits.train.labels.tolist().count(1) == splits.test.labels.tolist().count(1) == 2


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 8, 9), None),
        ((2, 8, 9, 3), (0, 3, 1, 2)),
        ((2, 8, 9, 1), (0, 3, 1, 2)),
        ((2, 3, 8, 9), (0, 1, 2, 3)),
        ((2, 1, 8, 9), (0, 1, 2, 3)),
        ((2, 3, 8, 3), (0, 3, 1, 2)),  # both would do: the last axis counts
    ],
)
def test_each_layout_becomes_channels_first(shape, order):
    array = np.arange(np.prod(shape)).reshape(shape) % 256
    expected = array[:, None] if order is None else array.transpose(order)
    for kind in (np.uint8, np.uint16, np.int64, ">i4"):
        assert np.array_equal(image_tensor(array.astype(kind), "x").numpy(), expected)
    for kind in (np.float16, np.float32, np.float64):
        got = image_tensor((array / 255).astype(kind), "x").numpy()
        assert np.array_equal(got, expected)
        assert got.flags.c_contiguous


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": X}, r"expected the arrays x_train, y_train, x_test, y_test or x, y, got a"),
        ({"x": X, "y": Y[:5]}, r"one label for each of x, got 12 images and labels \(5,\)"),
        ({"x": X, "y": Y * 0}, "two classes"),
        ({"x": X[0], "y": Y[:6]}, r"x: expected \(N, H, W\).*got \(6, 5\)"),
        ({"x": X[..., None, None], "y": Y}, r"got \(12, 6, 5, 1, 1\)"),
        ({"x": np.zeros((12, 2, 6, 5)), "y": Y}, r"got \(12, 2, 6, 5\)"),
        ({"x": X[:0], "y": Y[:0]}, r"no axis empty, got \(0, 6, 5\)"),
        ({"x": X.astype(str), "y": Y}, "uint8 or float pixels, got <U"),
        ({"x": X.astype(int) * 2, "y": Y}, r"integers in \[0, 255\], got 0|2 … 51"),
        ({"x": X.astype(float), "y": Y}, r"floats in \[0, 1\]"),
        ({"x": X, "y": np.array([None] * 12)}, "an array of Python objects"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:3], "y_test": np.array([0, 77, 10])},
            r"got \[77\] besides",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
            r"one shape, got \(12, 1, 6, 5\) and \(12, 1, 5, 5\)",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(write, arrays, said):
    with pytest.raises(InvalidValueError, match=said):
        read_npz(write(**arrays))


def test_pixels_that_are_not_finite_are_counted_and_placed(write):
    images = X / 255
    images[3, 2, 1] = np.nan
    images[4] = np.inf
    with pytest.raises(
        InvalidValueError, match=r"got 31 NaN or infinite, first at index \(3, 2, 1\)"
    ):
        read_npz(write(x=images, y=Y))


@pytest.mark.parametrize("keep", [0, 10, 300, -40])
def test_a_truncated_file_is_damage(write, keep):
    path = write(x=X, y=Y)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match=r"set\.npz"):
        read_npz(path)


def test_damage_within_an_array_is_damage(write):
    path = write(x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[250] ^= 255
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"set\.npz"):
        read_npz(path)


def test_a_plain_npy_is_no_npz(tmp_path):
    with (tmp_path / "set.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(DamagedFileError, match=r"expected an \.npz file"):
        read_npz(tmp_path / "set.npz")


@pytest.mark.parametrize("shape", [(6, 5, 7, 4), (6, 4, 5, 7)])
def test_transparent_images_become_colour(shape):
    images = image_tensor(np.zeros(shape, np.uint8), "x")
    assert images.shape == (6, 3, 5, 7)
    assert (images == 255).all()
