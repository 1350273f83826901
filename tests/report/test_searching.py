"""The report of `imprint search`: whole, escaped, and quiet in a browser."""

import pytest
import torch
from PIL import Image
from torch import nn

from imprint.finding import RowImages, find
from imprint.report import search_findings
from imprint.searching import Gallery
from imprint.types import DataPart, ImageSet

from .conftest import WINDOWS, check_page, splits_of

HOSTILE = "<script>alert('x')</script> & \"quoted\" " + "very-long-" * 12


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search of pictures with hostile names, some of which are gone, with near duplicates."""
    folder = tmp_path_factory.mktemp("found")
    images = splits_of(3, n=40).train.images
    for number in range(len(images)):
        path = folder / "pictures" / HOSTILE[:100].replace("/", "-") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[min(number, 37)].permute(1, 2, 0).numpy()).save(path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())
    gallery = Gallery(folder / "index.lance", model=model, layer="1", run="runs/first")
    gallery.add(folder / "pictures")
    (path.parent / "005.png").unlink()
    ids = [f"{path.parent.name}/{number:03}.png" for number in (37, 3)]
    return find(gallery, {ids[0]: ids[0], HOSTILE: path}, k=39, least=0.999999)


def test_the_report_is_whole_and_escaped(found, tmp_path):
    page = found.to_html(tmp_path / "report.html", "imprint search <x>").read_text()
    assert "<script>alert" not in page
    assert "imprint search &lt;x&gt;" in page
    assert page.count("Above, the query&#39;s maps") + page.count("Above, the query's maps") == 6
    assert "1 more have no picture" in page
    assert 'src="http' not in page
    assert "3 pairs of 40 rows have a similarity of at least 0.999999" in page


def test_sentences_and_a_search_that_finds_nothing(tmp_path):
    images = ImageSet(torch.zeros(3, 1, 8, 8).byte(), torch.zeros(3).long(), ("a",))
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU())
    gallery = Gallery(tmp_path / "index.lance", model=model, layer="1")
    gallery.add(DataPart(images, ["x", "y", "z"]))
    result = find(gallery, {"x": "x"}, least=0.9)
    assert search_findings(result.result) == [
        "Of 3 rows, 0 are shown for x.",
        "0 pairs of 3 rows have a similarity of at least 0.9.",
    ]
    assert "Nothing was found" in result.page()
    assert "There are none." in result.page()


def test_images_of_rows_are_read_only_where_they_are_named(tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    images = RowImages((1, 8, 8))
    assert images.read(str(tmp_path / "a.png")).shape == (1, 8, 8)
    assert images.read("mnist#train/0").shape == (1, 28, 28)
    for path in ("", "/etc/passwd", f"{tmp_path}/x/../a.png", "mnist#train/99999", "mnist#no/1",
                 "mnist#train/x", f"{tmp_path}/gone#all/0", "cifar99#all/0"):  # fmt: skip
        assert images.read(path) is None


@pytest.mark.browser
@WINDOWS
def test_the_page_in_a_browser(browser, found, tmp_path, width, scheme):
    page = found.page("imprint search albums.index cat/0001.jpg")
    check_page(browser, page, tmp_path, width=width, scheme=scheme, plots=0)
