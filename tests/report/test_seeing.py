"""The report of `imprint see`: whole, escaped, and quiet in a browser."""

import pytest
import torch
from torch import nn

from imprint.models import build_model
from imprint.report.seeing import see_findings
from imprint.sight import SeeSettings, see
from imprint.training import KeptMaps
from imprint.types import DataPart, ImageSet, Unreadable

from .conftest import WINDOWS, check_page, splits_of

HOSTILE = ("<script>alert(1)</script>", "x" * 300, "</script><b>", "&amp;'\"")


def kept_maps(epochs=3):
    return [
        KeptMaps(
            epoch,
            torch.tensor([4]),
            {"<i>": torch.randn(1, 8, 6, 6), "b": torch.randn(1, 3, 3, 3)},
            {"<i>": torch.rand(1, 16), "b": torch.rand(1, 6)},
        )
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture(scope="module")
def sight():
    images = splits_of(4, n=40, names=HOSTILE).test
    model = build_model("conv4", (3, 12, 12), 4).eval()
    return see(model, images, name="<u>net</u>", kept=kept_maps())


def page_of(sight, tmp_path):
    return sight.to_html(tmp_path / "see.html", "imprint see '<s>'").read_text()


def test_no_text_of_data_or_network_is_unescaped(sight, tmp_path):
    page = page_of(sight, tmp_path)
    body = page[page.index("<main>") :]
    for text in ("<script>alert", "<u>net", "</script><b>", '<i>"', "<h3><i>", "<s>"):
        assert text not in body


@pytest.mark.browser
@WINDOWS
def test_the_page_in_a_browser(browser, sight, tmp_path, width, scheme):
    page = page_of(sight, tmp_path)
    check_page(browser, page, tmp_path, width=width, scheme=scheme, plots=1)


@pytest.mark.browser
def test_pictures_are_crisp_and_have_words(browser, sight, tmp_path):
    (tmp_path / "report.html").write_text(page_of(sight, tmp_path))
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    pictures = page.query_selector_all("img")
    assert len(pictures) > 30
    for picture in pictures:
        assert picture.evaluate("(each) => getComputedStyle(each).imageRendering") == "pixelated"
        assert picture.get_attribute("alt")
        box, around = picture.bounding_box(), picture.evaluate_handle("(e) => e.parentElement")
        assert box["width"] <= around.as_element().bounding_box()["width"] + 1
    page.close()


def test_a_page_without_charts_is_small(tmp_path):
    images = splits_of(4, n=8).test
    sight = see(build_model("conv4", (3, 12, 12), 4), images)
    assert len(page_of(sight, tmp_path)) < 1_000_000


def test_deep_and_wide_networks_stay_under_ten_megabytes(tmp_path):
    layers = [nn.Conv2d(3, 80, 3, padding=1), *(nn.Conv2d(80, 80, 1) for _ in range(19))]
    pixels = torch.randint(256, (2, 3, 96, 96), dtype=torch.uint8)
    sight = see(nn.Sequential(*layers), pixels, settings=SeeSettings(strongest=1, patches=1))
    page = page_of(sight, tmp_path)
    assert len(page) < 10_000_000
    assert "Of layers with more channels the first 64 are shown" in page
    assert "pixels a side are averaged down" in page


def test_what_could_not_be_looked_at_is_said(tmp_path):
    images = ImageSet(torch.zeros(2, 1, 8, 8).byte(), torch.tensor([0, 0]), ("a",))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid())
    page = page_of(see(model, images, settings=SeeSettings(layers=("1",))), tmp_path)
    assert "No answer, no Grad-CAM and no occlusion" in page
    assert "No projections: layer &#39;1&#39;: expected" in page


def test_one_image_is_said_to_be_too_few_for_patches(tmp_path):
    page = page_of(see(build_model("conv4", (1, 8, 8), 2), torch.rand(1, 1, 8, 8)), tmp_path)
    assert "give some with --data" in page


def test_findings_are_counted():
    rows = [
        {"name": "a", "channels": 8, "dead": [1, 2], "duplicates": [], "broken": 0.0},
        {"name": "b", "channels": 8, "dead": [], "duplicates": [], "broken": 0.1},
    ]
    result = {"layers": rows, "images": 1200, "all_images": 9000, "unwell_layers": 2}
    result |= {"class_names": ["a"], "label_names": ["a"], "unreadable": 3}
    assert see_findings(result) == [
        "2 layers put out maps; looked at with 1,200 of 9,000 images.",
        "3 more could not be read.",
        "2 of 16 channels never answer.",
        "NaN or infinity comes up first in b.",
        "2 layers need a look: see the health table.",
    ]


@pytest.mark.parametrize(
    ("answers", "labels", "said"),
    [
        (["cat", "dog"], ["cat", "dog"], []),
        ([], ["cat", "dog"], []),
        (["cat", "dog"], [], []),
        (["class 0", "class 1"], [], ["its 2 answers are numbered"]),
        (["class 0"], [], ["its one answer is numbered"]),
        (["class 0", "class 1"], ["cat"], ["gives 2 answers and the data have 1 class: its answ"]),
        (["7", "8"], ["cat", "dog"], ["have other names: its answers are named as it was trained"]),
    ],
)
def test_whose_names_the_answers_bear_is_said(answers, labels, said):
    result = {"layers": [], "images": 1, "all_images": 1, "unwell_layers": 0, "unreadable": 0}
    sentences = see_findings(result | {"class_names": answers, "label_names": labels})[1:]
    assert len(sentences) == len(said)
    assert all(part in sentence for part, sentence in zip(said, sentences, strict=True))


def test_the_same_advice_is_given_once_and_what_is_no_number_is_explained(tmp_path):
    model = build_model("conv4", (3, 12, 12), 4)
    model.block2[2].running_var.fill_(torch.nan)
    sight = see(model, splits_of(4, n=8).test)
    page = page_of(sight, tmp_path)
    section = page[page.index("<h2>Health") :]
    assert section.count("<li>") == 1
    assert "<strong>block2.2, block2.3, block3.0, block3.1 and 6 more:</strong> 100.00%" in section
    assert "Magenta is NaN or infinite." in page
    behind = see(model, splits_of(4, n=8).test, settings=SeeSettings(layers=("block3.0",)))
    assert "NaN counts for nothing" in page_of(behind, tmp_path)


@pytest.mark.browser
def test_on_paper_all_is_open_and_light(browser, sight, tmp_path):
    (tmp_path / "report.html").write_text(page_of(sight, tmp_path))
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="dark")
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector(".main-svg")
    page.set_viewport_size({"width": 703, "height": 1000})  # of A4, less its margins
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.query_selector_all("details:not([open])") == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.query_selector(".health td:nth-child(2)").is_visible()
    assert page.query_selector(".main-svg").bounding_box()["width"] < 700
    title = page.query_selector(".xtitle").evaluate("(each) => getComputedStyle(each).fill")
    assert title == "rgb(29, 33, 38)"
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert len(page.query_selector_all("details:not([open])")) == 2
    page.close()


def test_files_that_could_not_be_read_are_listed(tmp_path):
    images = splits_of(4, n=8).test
    broken = [Unreadable(f"{k}.png", 0, f"<i>{k}.png: no image") for k in range(101)]
    sight = see(build_model("conv4", (3, 12, 12), 4), DataPart(images, unreadable=broken))
    page = page_of(sight, tmp_path)
    assert "101; here are the first 100" in page
    assert "<li>&lt;i&gt;99.png: no image</li>" in page
    assert "100.png" not in page
