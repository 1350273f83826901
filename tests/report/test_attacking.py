"""The report of `imprint attack`: whole, escaped, and quiet in a browser."""

import pytest
import torch
from torch import nn

from imprint.attacking import AttackSettings, attack
from imprint.models import build_model
from imprint.report.attacking import attack_findings, attack_lines, epsilon_chart
from imprint.types import ImageSet

from .conftest import check_page, splits_of

HOSTILE = ("<script>alert(1)</script>", "x" * 300, "</script><b>", "&amp;'\"")


def nets(channels, *names):
    return {
        name: build_model("conv4", (channels, 12, 12), 4, seed=k).eval()
        for k, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def found():
    images = splits_of(4, n=24, names=HOSTILE).test
    models = nets(3, "<u>net</u>", "y" * 200)
    return attack(models, images, settings=AttackSettings(epsilons=(0.0, 0.05, 0.3)))


@pytest.fixture(scope="module")
def grey():
    pixels = torch.randint(256, (16, 1, 12, 12), dtype=torch.uint8)
    part = ImageSet(pixels, torch.arange(16) % 4, ("a", "b", "c", "d"))
    return attack(nets(1, "one", "two"), part)


def page_of(found, tmp_path):
    return found.to_html(tmp_path / "attack.html", "imprint attack '<s>'").read_text()


def test_no_text_of_data_or_network_is_unescaped(found, tmp_path):
    page = page_of(found, tmp_path)
    body = page[page.index("<main>") :]
    for text in ("<script>alert", "<u>net", "</script><b>", "<s>"):
        assert text not in body


@pytest.mark.browser
@pytest.mark.parametrize(
    ("which", "width", "scheme"),
    [
        *(("found", 1400, "light"), ("found", 390, "dark")),
        *(("grey", 1400, "dark"), ("grey", 390, "light")),
    ],
)
def test_the_page_in_a_browser(browser, request, tmp_path, which, width, scheme):
    page = page_of(request.getfixturevalue(which), tmp_path)
    check_page(browser, page, tmp_path, width=width, scheme=scheme, plots=1)


@pytest.mark.browser
def test_pictures_are_crisp_and_have_words(browser, grey, tmp_path):
    (tmp_path / "report.html").write_text(page_of(grey, tmp_path))
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    pictures = page.query_selector_all("img")
    assert len(pictures) == sum(1 + 2 * len(example.shots) for example in grey.examples)
    for picture in pictures:
        assert picture.evaluate("(each) => getComputedStyle(each).imageRendering") == "pixelated"
        assert picture.get_attribute("alt")
    page.close()


def test_one_network_has_no_matrix_and_several_have_one_an_epsilon(grey, tmp_path):
    assert page_of(grey, tmp_path).count('<div class="matrix">') == 6
    pixels = torch.arange(144, dtype=torch.uint8).view(1, 1, 12, 12)
    alone = attack(nets(1, "one"), ImageSet(pixels, torch.tensor([0]), ("a", "b", "c", "d")))
    assert '<div class="matrix">' not in page_of(alone, tmp_path)


def test_where_nothing_is_right_or_attacked_the_page_is_whole(tmp_path):
    part = ImageSet(torch.zeros(1, 2, 1, 1).byte(), torch.tensor([1]), ("a", "b"))
    model = nn.Flatten()
    wrong = attack(model, part, settings=AttackSettings(epsilons=(0.1,)))
    assert "No network answers any image rightly." in page_of(wrong, tmp_path)
    clean = attack(model, part, settings=AttackSettings(epsilons=(0.0,)))
    assert page_of(clean, tmp_path)


def test_words_chart_and_table_tell_of_the_same_numbers(grey):
    rows = grey.result["accuracy"]
    last = [row for row in rows if row["epsilon"] == 0.25]
    own = next(row for row in last if row["made_on"] == row["judged_on"] == "one")
    assert f"at epsilon 0.25 on {100 * own['accuracy']:.1f} %" in attack_findings(grey.result)[0]
    chart = epsilon_chart(grey.result)
    lines = {trace["name"]: trace for trace in chart.figure["data"]}
    assert list(lines) == [
        "one, on itself", "two, on itself", "two, from one", "one, from two",
        "one, noise", "two, noise",
    ]  # fmt: skip
    assert lines["one, on itself"]["y"][-1] == pytest.approx(100 * own["accuracy"], abs=1e-3)
    assert lines["two, noise"]["x"] == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25]
    columns, table = attack_lines(grey.result)
    assert columns == ["made on", "judged on", "0", "0.05", "0.1", "0.15", "0.2", "0.25"]
    assert [line[:2] for line in table[-2:]] == [["noise", "one"], ["noise", "two"]]
    assert table[0][-1] == f"{100 * own['accuracy']:.1f} %"
