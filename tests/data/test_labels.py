import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.data.labels import encode_labels
from imprint.errors import InvalidValueError


@given(st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=40))
def test_integers_are_numbered_in_their_order(values):
    if len(set(values)) < 2:
        with pytest.raises(InvalidValueError, match="two classes"):
            encode_labels(values)
        return
    train, test, names = encode_labels(values, values[:3])
    assert [int(names[label]) for label in train] == values
    assert [int(names[label]) for label in test] == values[:3]
    assert [int(name) for name in names] == sorted(set(values))


def test_strings_bytes_booleans_and_whole_floats_are_labels():
    assert encode_labels(["dog", "cat"])[2] == ("cat", "dog")
    assert encode_labels(np.array([b"dog", b"cat"]))[2] == ("cat", "dog")
    assert encode_labels([True, False])[2] == ("False", "True")
    assert encode_labels([2.0, 7.0])[2] == ("2", "7")


def test_a_column_is_a_vector():
    assert encode_labels(np.array([[5], [6]]))[0].tolist() == [0, 1]


def test_named_labels_keep_their_numbers():
    train, test, names = encode_labels([3, 1], [1], names=["a", "b", "c", "d"])
    assert (train.tolist(), test.tolist(), names) == ([3, 1], [1], ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("train", "test", "names", "said"),
    [
        ([], [], None, r"at least two classes.*got \[\]"),
        (["x", "x"], [], None, r"at least two classes.*got \['x'\]"),
        ([0, 1], [0, 9, 7], None, r"got \[7, 9\] besides"),
        ([0, 4], [], ["a", "b"], r"0 … 1.*got 0 … 4"),
        ([-1, 1], [], ["a", "b"], r"0 … 1.*got -1 … 1"),
        (["a", "b"], [], ["a", "b"], r"0 … 1.*got a … b"),
        ([0.5, 1], [], None, "whole numbers.*float64"),
        ([np.nan, 1], [], None, "whole numbers.*float64"),
        (np.zeros((2, 3)), [], None, r"\(N,\) in train, got \(2, 3\)"),
    ],
)
def test_bad_labels_are_refused(train, test, names, said):
    with pytest.raises(InvalidValueError, match=said):
        encode_labels(train, test, names=names)
