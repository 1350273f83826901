"""The report of a training run: what it holds, what it escapes, and how a browser shows it."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from imprint.report import train_report, verdict
from imprint.report.page import render
from imprint.report.pictures import picture
from imprint.training import TrainSettings, train

from .conftest import SETTINGS, WINDOWS, check_page, splits_of

FIGURE = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
LINK = re.compile(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)|@import')


def own_part(page):
    """The page without plotly's own code."""
    return page.replace(render("page.html", title="", summary="").split("<script>")[1], "")


def figures(page):
    return [json.loads(text) for text in FIGURE.findall(page)]


def test_the_page_asks_for_nothing_from_outside(comparison):
    page = train_report(*comparison, "imprint train stripes --compare")
    targets = [a or b for a, b in LINK.findall(own_part(page))]
    assert targets
    assert all(target.startswith("data:") for target in targets)
    assert "imprint train stripes --compare" in page
    assert len(figures(page)) == 7


def test_a_run_that_skips_nothing_has_no_empty_part():
    splits = splits_of(3)
    page = train_report(train(splits, TrainSettings(**SETTINGS)), splits.train)
    assert len(figures(page)) == 3
    assert "What was familiar" not in page
    assert "Skipped most" not in page


def test_settings_of_several_values_are_told_in_words():
    splits, more = (
        splits_of(3),
        {"augmentations": ["crop", "flip"], "freeze_after": {"block1": 0.5}},
    )
    page = train_report(train(splits, TrainSettings(**{**SETTINGS, **more})), splits.train)
    assert "crop, flip" in page
    assert "block1 0.5" in page


@pytest.mark.parametrize("num_classes", [2, 30, 200])
def test_any_number_of_classes(num_classes):
    splits = splits_of(num_classes, n=400)
    settings = TrainSettings(**{**SETTINGS, "epochs": 1, "dense_start": 0}, skip="imprint")
    page = train_report(train(splits, settings), splits.train)
    assert page.count("<h3>class ") == min(num_classes, 20)
    if num_classes > 30:
        assert "The 30 worst of 200 classes" in page
        assert "180 more classes" in page


def test_hostile_names_stay_text():
    names = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(2)>')
    splits = splits_of(2, names=names)
    settings = TrainSettings(**{**SETTINGS, "epochs": 1, "dense_start": 0}, skip="imprint")
    page = own_part(train_report(train(splits, settings), splits.train, "imprint '<b>'"))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert figures(page)


def test_pictures_are_the_images_of_the_result(comparison):
    result, images = comparison
    page = train_report(result, images)
    rows = result["skip"]["most_skipped"][0]
    assert rows
    for row in rows:
        assert picture(images.images[row]) in page


@pytest.mark.parametrize("shape", [(1, 12, 20), (3, 12, 20)])
def test_a_picture_is_the_image_itself(shape):
    image = torch.randint(256, shape, dtype=torch.uint8)
    with Image.open(io.BytesIO(base64.b64decode(picture(image).partition(",")[2]))) as decoded:
        pixels = torch.from_numpy(np.array(decoded.convert("RGB")))
    assert torch.equal(pixels.permute(2, 0, 1), image.expand(3, 12, 20))


def test_a_large_picture_is_made_smaller():
    shown = picture(torch.zeros(3, 400, 200, dtype=torch.uint8))
    with Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2]))) as decoded:
        assert decoded.size == (48, 96)


def test_the_verdict_says_more_or_less():
    runs = {"plain": {}, "skip": {}}
    assert verdict(runs | {"time_saved": 0.25, "accuracy_difference": -0.001}).startswith(
        "25.0% less time than plain, accuracy -0.10 points"
    )
    one = {"test_accuracy": 0.5, "images_skipped": 1, "images_seen": 4}
    assert verdict(one) == "50.00% of the test images right, 25% of the training skipped."


@pytest.mark.browser
@WINDOWS
def test_a_browser_shows_it_at_any_width(browser, comparison, tmp_path, width, scheme):
    html = train_report(*comparison, "imprint train stripes --compare " + "x" * 200)
    check_page(browser, html, tmp_path, width=width, scheme=scheme, plots=7)


def test_suspects_are_shown_with_what_they_are_labelled_and_look_like():
    splits = splits_of(3)
    result = train(splits, TrainSettings(**SETTINGS, skip="imprint", hold_suspects=True))
    result["suspects"] = {"index": [4, 0], "closest": [2, 1], "margin": [-0.6, -0.5]}
    page = own_part(train_report(result, splits.train))
    assert "2 images whose label the network kept contradicting" in page
    shown = re.findall(r"<figcaption>(labelled .*?)</figcaption>", page)
    assert shown == [
        "labelled class 1, looks like class 2",
        "labelled class 0, looks like class 1",
    ]


@pytest.mark.parametrize(
    ("skip", "tier", "where"),
    [
        ("imprint", "plan", "of an epoch, before it was loaded."),
        ("imprint", "gate", "of a training step, at the tapped layer."),
        ("imprint", "both", "and of a training step, at the tapped layer."),
        ("selective-backprop", None, "of a training step, after a look at the losses."),
    ],
)
def test_every_tier_has_its_words(skip, tier, where):
    splits = splits_of(3)
    settings = TrainSettings(**{**SETTINGS, "epochs": 1}, skip=skip, tier=tier)
    page = own_part(train_report(train(splits, settings), splits.train))
    assert f"What the rule {skip} left out" in page
    assert where in page
