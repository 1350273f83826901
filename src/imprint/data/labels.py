"""Labels of any kind to the classes 0 … K-1."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["encode_labels"]


def encode_labels(
    train: npt.ArrayLike,
    test: npt.ArrayLike = (),
    *,
    names: Sequence[str] | None = None,
    least: int = 2,
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Number the classes of a data set in the order of their values.

    Args:
        train: `(N,)`, integers, whole floats, booleans or strings.
        test: `(M,)`, of the same kind; may be empty.
        names: where given, the values are already indices `0 … K-1` into them.
        least: classes that `train` must have.

    Returns:
        the training labels `(N,)` and the test labels `(M,)`, int64 in `0 … K-1`, and the K class
        names, by default `str` of each value.

    Raises:
        InvalidValueError: for fewer classes in `train`, values of another kind, test
            values that `train` lacks, or an index that has no name.

    Examples:
        >>> encode_labels([30, 10, 30], [10])
        (tensor([1, 0, 1]), tensor([0]), ('10', '30'))
    """
    first, second = _values(train, "train"), _values(test, "test")
    classes, indices = np.unique(first, return_inverse=True)
    if len(classes) < least:
        got = [value.item() for value in classes]
        expected = "two classes to train on" if least == 2 else "one class"
        raise InvalidValueError(f"labels: expected at least {expected}, got {got}")
    _check_known(classes, second)
    if names is not None:
        _check_named(classes, names)
        return _tensor(first), _tensor(second), tuple(names)
    places = np.searchsorted(classes, second) if len(second) else second
    return _tensor(indices), _tensor(places), tuple(str(value.item()) for value in classes)


def _values(labels: npt.ArrayLike, split: str) -> npt.NDArray[np.generic]:
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InvalidValueError(f"labels: expected (N,) in {split}, got {values.shape}")
    if values.dtype.kind == "f" and np.all(np.mod(values, 1) == 0):  # NaN and inf fail here
        values = values.astype(np.int64)
    if values.dtype.kind not in "iubUS":
        kind = f"{values.dtype}"
        raise InvalidValueError(f"labels: expected whole numbers or strings in {split}, got {kind}")
    return values.astype(np.str_) if values.dtype.kind == "S" else values


def _check_known(classes: npt.NDArray[np.generic], test: npt.NDArray[np.generic]) -> None:
    unknown = sorted(set(test.tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise InvalidValueError(
            f"labels: expected only training classes in the test set, got {unknown} besides"
        )


def _check_named(classes: npt.NDArray[np.generic], names: Sequence[str]) -> None:
    values = classes.tolist()
    if not all(isinstance(value, int) and 0 <= value < len(names) for value in values):
        raise InvalidValueError(
            f"labels: expected values in 0 … {len(names) - 1}, for which there are names; "
            f"got {values[0]} … {values[-1]}"
        )


def _tensor(values: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
