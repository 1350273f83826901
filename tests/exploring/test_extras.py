import math

import pytest

from imprint.errors import ImprintError, MissingExtraError
from imprint.exploring import require


def test_gives_the_module_itself():
    assert require("math") is math
    assert require("scipy.sparse").csr_array


@pytest.mark.parametrize("name", ["faiss", "cleanlab.filter", "openTSNE", "scipy.sparse"])
def test_says_what_to_install(without, name):
    without(name)
    message = rf"^{name}: expected it to be installed; pip install 'imprint\[explore\]'$"
    with pytest.raises(MissingExtraError, match=message) as caught:
        require(name)
    assert isinstance(caught.value, ImprintError)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value.__cause__, ImportError)
