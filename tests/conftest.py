"""Settings of the whole suite."""

import os
import random
import shutil

import hypothesis
import numpy as np
import pytest
import torch

from imprint.taps import timing

CHROMIUM = shutil.which("chromium")

os.environ["IMPRINT_CACHE"] = ""  # no test leaves images of sound in the user's cache
torch.set_num_threads(1)
hypothesis.settings.register_profile("suite", deadline=None, max_examples=40, derandomize=True)
hypothesis.settings.load_profile("suite")


def pytest_runtest_setup() -> None:
    """Begin every test alike, so that none fails by chance on another day."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what libraries draw from
    random.seed(0)


@pytest.fixture(scope="module", autouse=True)
def few_rounds(request):
    """Seconds are measured in three rounds; how many there are by default has a test of its own."""
    rounds = {} if request.module.__name__.endswith("test_timing") else {"FEWEST": 3, "MOST": 3}
    with pytest.MonkeyPatch.context() as patch:
        for name, count in rounds.items():
            patch.setattr(timing, name, count)
        yield


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, one for all tests of a process: Playwright starts once in each."""
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()
