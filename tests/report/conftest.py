"""Results to make reports of, as a run leaves them, and a browser to look at them."""

import re

import pytest
import torch

from imprint.training import TrainSettings, train
from imprint.types import DataSplits, ImageSet

WINDOWS = pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
"""What a page is looked at in: wide and light, narrow and dark."""

SETTINGS = {"epochs": 3, "batch_size": 32, "device": "cpu", "lr": 0.1}


def splits_of(num_classes, n=256, names=None):
    generator = torch.Generator().manual_seed(num_classes)
    labels = torch.arange(n) % num_classes
    images = torch.randint(0, 60, (n, 3, 12, 12), dtype=torch.uint8, generator=generator)
    images[torch.arange(n), labels % 3, labels // 3 % 12] = 250
    names = names or tuple(f"class {k}" for k in range(num_classes))
    image_set = ImageSet(images, labels, names)
    return DataSplits("stripes", image_set, image_set)


@pytest.fixture(scope="session")
def comparison():
    splits = splits_of(5)
    return train(splits, TrainSettings(**SETTINGS), compare=True), splits.train


def _counts(message):
    """Whether a message is the page's own; one without a graphics card says that it is slow."""
    return "GL Driver Message" not in message.text


def check_page(browser, html, folder, *, width, scheme, plots):
    """A page as a browser shows it: quiet, no wider than the window, its charts' titles whole."""
    path = folder / "report.html"
    path.write_text(html)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if _counts(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('.main-svg').length >= " + str(plots))
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.query_selector_all(".chart"):
        box, plot = chart.bounding_box(), chart.query_selector(".plot").bounding_box()
        assert plot["width"] > 0.8 * box["width"]
        titles = chart.query_selector_all(".xtitle, .ytitle")
        assert len(titles) == 2
        for title in titles:
            inner = title.bounding_box()
            assert inner["x"] >= box["x"]
            assert inner["x"] + inner["width"] <= box["x"] + box["width"]
    ground, ink = page.evaluate(
        "['background-color', 'color'].map("
        "(name) => getComputedStyle(document.body).getPropertyValue(name))"
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, ink)]
    assert (light[0] > light[1]) == (scheme == "light")
    context.close()
