import json
import os
from pathlib import Path

import pytest

from imprint.reproduce.printed import printed


def test_the_figures_are_those_of_the_paper():
    table = printed()["figure_7"]
    pairs = zip(table["cache_hits"], table["images_trained"], strict=True)
    assert all(hits + trained == 60_000 for hits, trained in pairs)
    assert len(printed()["figure_8"]["batch_size"]) == len(printed()["figure_8"]["cached_test"])


def test_the_package_carries_the_shared_tables():
    folder = os.environ.get("IMPRINT_DATA")
    path = Path(folder or ".").parent / "paper" / "tables.json"
    if not path.is_file():
        pytest.skip("the paper's tables lie beside IMPRINT_DATA, which is not there")
    assert printed() == json.loads(path.read_text())
