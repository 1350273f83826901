import numpy as np
import pytest

from imprint.errors import InvalidValueError
from imprint.shares import check_share


@pytest.mark.parametrize("value", [0.5, 1e-12, np.float32(0.25), np.float64(0.25)])
def test_shares_will_do(value):
    check_share("keep", value)


@pytest.mark.parametrize("value", [0, 0.0, 1, 1.0, -0.1, 95, float("nan"), "0.5", None, True])
def test_all_else_is_told(value):
    with pytest.raises(InvalidValueError, match=r"^keep: expected a value in \(0, 1\), got "):
        check_share("keep", value)
