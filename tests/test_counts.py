import numpy as np
import pytest

from imprint.counts import check_count
from imprint.errors import InvalidValueError


@pytest.mark.parametrize("value", [1, 7, np.int64(3), 2**63 - 1])
def test_whole_numbers_will_do(value):
    check_count("seeds", value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "at least 1, got 0"),
        (-3, "at least 1, got -3"),
        (2**63, r"at most 2\^63 - 1"),
        (2.0, r"a whole number, got 2\.0"),
        ("3", "a whole number, got '3'"),
        (True, "a whole number, got True"),
        (None, "a whole number, got None"),
        (float("nan"), "a whole number, got nan"),
    ],
)
def test_all_else_is_told(value, told):
    with pytest.raises(InvalidValueError, match=rf"^seeds: expected {told}"):
        check_count("seeds", value)
