"""The page as a visitor meets it, in Debian's chromium: by roles and labels."""

import re
import shutil
import urllib.parse
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile
from PIL import Image

from imprint.runs import read_json, write_json

from .conftest import RATE, tone

pytestmark = pytest.mark.browser

TABS = ("Train", "Explore", "See", "Fool", "Listen")
PATIENCE = 60_000


class Visit:
    """A page that is open, what it asked for, and what went wrong on it."""

    def __init__(self, context, server):
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.asked, self.wrong = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._heard)
        self.page.goto(server.address)
        self.page.get_by_role("tab", name="Train").wait_for()

    def _heard(self, message):
        if message.type == "error" and "GL Driver" not in message.text:
            self.wrong.append(message.text)

    def open(self, tab):
        self.page.get_by_role("tab", name=tab).click()
        return self.page


@pytest.fixture(scope="module")
def usual(browser):
    """Where most visits begin: scripts are compiled once for all of them."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def visit(browser, usual, server):
    with ExitStack() as stack:

        def begin(tab=None, **options):
            context = stack.enter_context(browser.new_context(**options)) if options else usual
            own = Visit(context, server)
            stack.callback(own.page.close)
            if tab is not None:
                own.open(tab)
            return own

        yield begin


def choose(page, label, option):
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=re.compile(f"^{re.escape(option)}")).click()
    page.wait_for_function("!document.querySelector('[role=option]')")  # it fades


def said(page, text):
    page.get_by_text(text).first.wait_for()


def test_train_shows_curves_counts_and_what_is_skipped(visit):
    own = visit()
    page = own.page
    choose(page, "Training run", "second")
    said(page, "Done after 2 epochs")
    said(page, "Skipped most often so far")
    for title in ("Training loss", "Accuracy against time", "Hits of each class"):
        page.locator(".gtitle", has_text=title).wait_for()
    for axis in ("training loss (nats)", "test accuracy (%)", "training time (seconds)"):
        page.locator(".xtitle, .ytitle", has_text=axis).first.wait_for()
    assert page.get_by_role("img", name=re.compile(r"image \d+, skipped")).count() > 0
    page.get_by_text("The same in numbers").click()
    assert page.get_by_role("columnheader", name="accuracy (%)").is_visible()
    assert own.wrong == []


def test_train_follows_a_run_that_goes_on(visit, server, going):
    own = visit()
    page = own.page
    said(page, "Done after 2 epochs")
    folder = shutil.copytree(going, server.runs / "going")
    try:
        page.wait_for_timeout(2500)  # two looks at the folder lie 2 s apart
        choose(page, "Training run", "going (running, conv4 on digits.npz)")
        said(page, "in epoch 2 of 3, step 1 of 9")
        page.locator(".gtitle", has_text="Training loss").wait_for()
        write_json(folder / "progress.json", read_json(folder / "progress.json") | {"step": 7})
        said(page, "in epoch 2 of 3, step 7 of 9")
        assert own.wrong == []
    finally:
        shutil.rmtree(folder)


def test_explore_shows_map_outliers_and_one_class(visit):
    own = visit("Explore")
    page = own.page
    said(page, "700 images of 10 classes")
    page.locator(".xtitle", has_text="first axis of the map").wait_for()
    said(page, "Labels were not judged")
    pictures = page.get_by_role("img", name=re.compile("score 0"))
    pictures.first.wait_for()
    label = pictures.first.get_attribute("alt")[0]
    choose(page, "Class", label)
    page.wait_for_function(
        "(label) => [...document.querySelectorAll('img[alt*=score]')].every("
        "(own) => own.alt.startsWith(label))",
        arg=label,
    )
    assert own.wrong == []


def test_see_answers_a_test_image_layer_by_layer(visit):
    own = visit("See")
    page = own.page
    choose(page, "Network", "first")
    said(page, "Drop an image, or choose one of the test images.")
    page.get_by_label("Number of a test image").first.fill("3")
    page.get_by_role("button", name="Show this test image").click()
    said(page, "Test image 3, of class 0")
    page.get_by_role("heading", name="What the network takes it for").wait_for()
    page.get_by_role("img", name=re.compile("maps of block1.0, 16 of 16 channels")).wait_for()
    page.get_by_role("img", name=re.compile("where covering 4 x 4 pixels")).wait_for()
    choose(page, "Layer", "block2.0: Conv2d")
    page.get_by_role("img", name=re.compile("maps of block2.0, 32 of 32 channels")).wait_for()
    assert own.wrong == []


def drop(page, path, place=0):
    page.locator("input[type=file]").nth(place).set_input_files(path)


def test_see_takes_a_dropped_image_and_says_what_is_none(visit, tmp_path):
    own = visit("See")
    page = own.page
    choose(page, "Network", "first")
    said(page, "Drop an image")
    Image.new("L", (60, 40), 255).save(tmp_path / "слика 図 'a'.png")
    drop(page, tmp_path / "слика 図 'a'.png")
    said(page, "Your image")
    page.get_by_role("img", name=re.compile("where covering")).wait_for()
    page.get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    (tmp_path / "no image.png").write_text("no image")
    drop(page, tmp_path / "no image.png")
    page.get_by_role("alert").filter(has_text="no image.png").first.wait_for()
    assert "imprint-app-" not in page.get_by_role("alert").first.inner_text()


def test_a_run_of_code_that_was_not_named_is_told_and_not_loaded(visit, server):
    page = visit("See").page
    choose(page, "Network", "evil (code of its own")
    page.get_by_role("alert").filter(has_text="it is not loaded").first.wait_for()
    assert not server.marker.exists()


def test_runs_that_lead_out_of_the_folder_are_not_listed(visit):
    page = visit().page
    page.get_by_label("Training run", exact=True).click()
    names = page.get_by_role("option").all_inner_texts()
    assert [name.split()[0].strip("✓") for name in names if name] != []
    assert not any("linked" in name or "gone" in name for name in names)


def test_fool_shows_the_attack_and_two_networks(visit):
    own = visit("Fool")
    page = own.page
    choose(page, "Network to fool", "first")
    choose(page, "Network beside it", "second")
    page.get_by_role("button", name="Take this test image").click()
    said(page, "no pixel changed by more than 0.100")
    said(page, "What was added, magnified 5.0 times")
    for name in ("first, before", "first, after", "second, before", "second, after"):
        page.get_by_role("heading", name=name).wait_for()
    slider = page.get_by_label(re.compile("range slider for Epsilon"))
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    said(page, "no pixel changed by more than 0.120")
    page.get_by_label("pgd").check()
    said(page, "What came of it, epsilon 0.12")
    assert own.wrong == []


def test_an_epsilon_that_is_deleted_to_type_another_is_told_in_words(visit):
    own = visit("Fool")
    page = own.page
    choose(page, "Network to fool", "first")
    choose(page, "Network beside it", "second")
    page.get_by_role("button", name="Take this test image").click()
    said(page, "no pixel changed by more than 0.100")
    page.get_by_label(re.compile("number input for Epsilon")).fill("")
    page.get_by_role("alert").filter(has_text="epsilon: expected 0 … 0.3, got none").wait_for()
    assert own.wrong == []


def test_a_picture_is_shown_whatever_it_is_called(visit, tmp_path):
    own = visit("See")
    page = own.page
    choose(page, "Network", "first")
    said(page, "Drop an image")
    Image.new("L", (28, 28), 255).save(tmp_path / "docs.png")
    drop(page, tmp_path / "docs.png")
    page.locator("img[src*='docs.png']").first.wait_for()
    said(page, "Your image")
    assert own.wrong == []


def test_train_goes_on_beside_a_damaged_run(visit, server):
    own = visit()
    page = own.page
    said(page, "Done after 2 epochs")
    folder = shutil.copytree(server.runs / "first", server.runs / "damaged")
    try:
        write_json(folder / "result.json", {"skip": "none"})
        page.wait_for_timeout(2500)
        choose(page, "Training run", "damaged")
        page.get_by_role("alert").filter(has_text="damaged: expected a run as").first.wait_for()
        page.wait_for_timeout(2500)
        assert page.get_by_test_id("toast-body").count() == 0
        choose(page, "Training run", "first")
        said(page, "Done after 2 epochs")
    finally:
        shutil.rmtree(folder)


def test_listen_finds_similar_tracks_and_learns_from_likes(visit):
    own = visit("Listen")
    page = own.page
    choose(page, "Track of the index", "low 0.wav")
    said(page, "Similar to low 0.wav")
    page.get_by_text("1. low 1.wav").wait_for()
    said(page, "Mostly its")
    page.locator(".gtitle", has_text="Spectrogram").wait_for()
    page.locator(".ytitle", has_text="frequency (Hz)").wait_for()
    player = page.get_by_label("Play low 1.wav")
    heard = page.request.get(urllib.parse.urljoin(page.url, player.get_attribute("src")))
    assert heard.status == 200
    assert heard.body()[:4] == b"RIFF"
    page.get_by_role("button", name="Not like 1", exact=True).click()
    said(page, "and unlike low 1.wav")
    assert page.get_by_text("1. low 1.wav").count() == 0
    page.get_by_role("button", name="Like 2", exact=True).click()
    said(page, "Recommended: similar to low 0.wav, ")
    assert own.wrong == []


def test_the_spread_moves_by_keys_as_well(visit):
    page = visit("Listen").page
    choose(page, "Track of the index", "low 0.wav")
    page.locator(".found").nth(4).wait_for()
    before = page.locator(".found").all_inner_texts()
    page.get_by_label(re.compile("range slider for Spread")).focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "(before) => [...document.querySelectorAll('.found')].some("
        "(own, k) => own.innerText !== before[k])",
        arg=before,
    )
    after = page.locator(".found").all_inner_texts()
    assert len(after) == len(before)
    assert after != before


def test_listen_takes_a_dropped_sound_and_says_what_is_none(visit, tmp_path):
    page = visit("Listen").page
    field = "input[type=file]"
    page.get_by_label("Track of the index").wait_for()
    soundfile.write(tmp_path / "мелодия 音.wav", tone(220.0), RATE)
    page.locator(field).last.set_input_files(tmp_path / "мелодия 音.wav")
    said(page, "Similar to мелодия 音.wav")
    for name, wave, told in (
        ("silence.wav", np.zeros(RATE), "This is silence"),
        ("nothing.wav", np.zeros(0), "at least one sample"),
    ):
        soundfile.write(tmp_path / name, wave, RATE)
        page.get_by_role("button", name=re.compile("Clear|Remove")).first.click()
        page.locator(field).last.set_input_files(tmp_path / name)
        said(page, told)
    page.get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    (tmp_path / "text.wav").write_text("no sound")
    page.locator(field).last.set_input_files(tmp_path / "text.wav")
    told = page.get_by_role("alert").filter(has_text="expected audio").first
    told.wait_for()
    assert "text.wav" in told.inner_text()


def test_a_file_of_another_kind_or_too_large_is_refused_in_words(visit, tmp_path):
    page = visit("Listen").page
    page.get_by_label("Track of the index").wait_for()
    (tmp_path / "a.exe").write_bytes(b"MZ")
    page.locator("input[type=file]").last.set_input_files(tmp_path / "a.exe")
    said(page, re.compile("Invalid file type|only .* allowed", re.IGNORECASE))
    soundfile.write(tmp_path / "large.wav", np.zeros(700_000), RATE)
    page.locator("input[type=file]").last.set_input_files(tmp_path / "large.wav")
    said(page, re.compile("maximum allowed size|exceed", re.IGNORECASE))
    assert page.get_by_text("large.wav", exact=True).count() == 0


UNNAMED = """[...document.querySelectorAll('input, button, select, textarea')].filter((own) =>
    own.offsetParent !== null && own.type !== 'file' && !(own.getAttribute('aria-label')
    || own.getAttribute('aria-labelledby') || own.labels?.length || own.innerText.trim()
    || own.title)).map((own) => own.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_each_tab_fits_the_window_names_its_fields_and_asks_no_other_host(visit, width, scheme):
    own = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = own.page
    for tab in TABS:
        own.open(tab)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(UNNAMED) == [], tab
    ink, ground = page.evaluate(
        "[getComputedStyle(document.querySelector('h1')).color,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, ground)]
    assert (light[0] < light[1]) == (scheme == "light")
    assert page.title() == "Imprint"
    assert page.evaluate("document.documentElement.lang") == "en"
    hosts = {urllib.parse.urlsplit(url).hostname for url in own.asked if url.startswith("http")}
    assert hosts == {"127.0.0.1"}
    assert own.wrong == []


def test_the_keyboard_goes_from_tab_to_field(visit):
    page = visit().page
    page.get_by_label("Training run", exact=True).wait_for()
    page.get_by_role("tab", name="Train").focus()
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert "Training run" in names


def test_no_request_of_a_visitor_made_the_server_stumble(server):
    assert "Traceback" not in server.log.read_text()
