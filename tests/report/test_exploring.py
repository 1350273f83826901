"""The report of `imprint explore`: whole, escaped, and quiet in a browser."""

import pytest
import torch

from imprint.exploration import ExploreSettings, explore
from imprint.report.data_charts import class_distances
from imprint.report.exploring import explore_findings, fit_of_outliers
from imprint.report.palette import class_colours
from imprint.report.pictures import TILE, TILES, sprite_sheets
from imprint.types import DataPart, ImageSet, Unreadable

from .conftest import WINDOWS, check_page, splits_of

SETTINGS = ExploreSettings(device="cpu", batch_size=16, embedding="pca")
HOSTILE = ("<script>alert(1)</script>", "x" * 300, "</script><b>", "&amp;'\"")


@pytest.fixture(scope="module")
def found():
    splits = splits_of(4, n=240, names=HOSTILE)
    images = splits.train.images.clone()
    images[7], images[11] = images[3], images[3]
    train = ImageSet(images, splits.train.labels, HOSTILE)
    paths = [f"<img src=x>/{k}.png" for k in range(240)]
    broken = [Unreadable("<b>broken</b>.png", 1, "<b>broken</b>.png: expected an image")]
    forms = {(12, 12, "RGB"): 239, (9, 12, "<i>"): 1}
    parts = {"train": DataPart(train, paths, broken, forms), "test": DataPart(splits.test)}
    return explore(parts, settings=SETTINGS, name="<u>data</u>")


def page_of(found, tmp_path):
    return found.to_html(tmp_path / "explore.html", "imprint explore '<s>'").read_text()


def test_no_text_of_the_data_is_unescaped(found, tmp_path):
    page = page_of(found, tmp_path)
    for text in (
        "<script>alert",
        "<img src=x>",
        "<b>broken",
        "<u>data",
        "<i>",
        "<s>",
        "</script><b>",
    ):
        assert text not in page


@pytest.mark.browser
@WINDOWS
def test_the_page_in_a_browser(browser, found, tmp_path, width, scheme):
    page = page_of(found, tmp_path)
    check_page(browser, page, tmp_path, width=width, scheme=scheme, plots=6)


def test_a_set_with_nothing_to_show_still_has_a_page(tmp_path):
    images = ImageSet(torch.zeros(1, 1, 4, 4).byte(), torch.tensor([0]), ("a",))
    page = page_of(explore(images, settings=SETTINGS), tmp_path)
    assert "Labels were not judged: there is one class only." in page
    assert "Duplicates" not in page


def test_findings_are_counted():
    result = {
        "parts": {"train": 1200, "test": 1}, "class_names": ["a", "b"], "unreadable": 0,
        "duplicates": 2, "near_duplicates": 4, "near_duplicate_groups": 2,
        "leaks": {"train": 3, "test": 1}, "conflicting_groups": 2, "label_issues": 3,
        "label_accuracy": 0.9, "noise_images": 1, "outlier_accuracy": None,
    }  # fmt: skip
    assert explore_findings(result) == [
        "1,201 images in 2 classes.",
        "2 images are there more than once.",
        "4 are nearly equal, in 2 groups.",
        "1 image of test is in another part too.",
        "2 groups of equal or nearly equal images have different labels.",
        "3 labels look wrong, to a judge that is right on 90%.",
        "1 image is noise.",
    ]


def test_names_that_begin_alike_stay_apart_on_an_axis():
    names = [f"industrial_screw_type_{letter}" for letter in "ABC"]
    names += [f"{'x' * 12}{letter}{'y' * 12}" for letter in "ABC"]
    result = {"class_names": names, "class_distances": [[1.0] * 6] * 6}
    assert len(set(class_distances(result)["data"][0]["x"])) == 6


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ((0.9, 0.99), (0.6, 0.97), "fits its outliers better"),
        ((0.9, 0.99), (0.89, 0.97), "does not fit its outliers any better"),
        ((None, 0.99), (0.5, 0.9), "The network is right on 50.0% of the outliers of test"),
    ],
)
def test_whether_outliers_are_fitted(train, test, words):
    table = {
        name: {"outlier_accuracy": far, "rest_accuracy": rest}
        for name, (far, rest) in {"train": train, "test": test}.items()
    }
    assert words in fit_of_outliers({"outlier_accuracy": table})


def test_colours_are_told_apart():
    for count in (2, 10, 40, 1000):
        colours = class_colours(count)
        assert len(colours) == count
        assert len(set(colours)) >= min(count, 40)


def test_sprites_lie_where_the_page_looks_for_them():
    import base64
    import io

    import numpy as np
    from PIL import Image

    images = torch.zeros(TILES + 3, 1, 8, 8, dtype=torch.uint8)
    images[TILES + 1] = 255
    (sheet,) = sprite_sheets(images)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet))).convert("L"))
    assert pixels[TILE : 2 * TILE, TILE : 2 * TILE].min() > 200
    assert pixels[:TILE].max() < 60
