"""The work of each cell, on few images: what it gives fits what judges it, and repeats."""

from dataclasses import replace

import pytest
import torch

from imprint.data import load
from imprint.reproduce import (
    base,
    colour,
    deeper,
    figure_1,
    figure_2,
    figure_3,
    figure_4,
    figure_9,
    figure_10,
    knowledge,
    mapped,
    overfitting,
)
from imprint.types import DataSplits, ImageSet, Normalisation


@pytest.fixture
def digits(monkeypatch):
    """A few of MNIST's images in the place of each data set."""
    whole = load("mnist")
    parts = [
        replace(part, images=part.images[:count], labels=part.labels[:count])
        for part, count in ((whole.train, 600), (whole.test, 200))
    ]
    scaled = [replace(part, normalisation=Normalisation((0.0,), (1.0,))) for part in parts]
    few = DataSplits("mnist", *scaled)
    for module in (base, deeper, figure_3, knowledge, mapped, overfitting):
        monkeypatch.setattr(module, "read", lambda _data: few)
    return few


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def done(cells):
    return {cell.name: cell.work(**cell.arguments) for cell in cells}


def test_pixels_are_taken_as_they_are():
    part = base.read("mnist").train
    assert part.normalisation == Normalisation((0.0,), (1.0,))


@pytest.mark.usefixtures("digits")
def test_a_course_counts_every_image_and_repeats():
    settings = replace(base.BASE, batch_size=128, epochs=2)
    cell = base.cached_cell(settings)
    first, again = (cell.work(**cell.arguments) for _ in range(2))
    assert first == again
    for course in first.values():
        assert course["images_seen"] == [600, 600]
        assert len(course["test_accuracy"]) == 2
    cached, random = first["cached"], first["random"]
    trained = zip(cached["images_trained"], cached["hits"], strict=True)
    assert all(kept + hits == 600 for kept, hits in trained)
    # 5 batches of an epoch are rounded to whole images
    assert sum(random["images_trained"]) == pytest.approx(sum(cached["images_trained"]), abs=10)


@pytest.mark.usefixtures("digits")
def test_an_emptied_cache_begins_each_epoch_without_hits_in_its_first_batch():
    settings = replace(base.BASE, batch_size=600, epochs=3, skip="paper", layer="conv2")
    settings = replace(settings, threshold_reading="text")
    kept, renewed = (base.course(base.read(""), settings, renewed=on) for on in (False, True))
    assert renewed["hits"] == [0, 0, 0]  # an epoch is one batch here
    assert kept["hits"][0] == 0
    assert min(kept["hits"][1:]) > 0


@pytest.mark.usefixtures("digits")
def test_networks_that_are_asked_fit_figures_1_2_and_4():
    results = done(figure_1.EXPERIMENT.cells(1))
    assert figure_1.EXPERIMENT.finding(results, 1).claims
    assert figure_2.EXPERIMENT.finding(results, 1).claims
    assert figure_4.EXPERIMENT.finding(results, 1).claims
    (own,) = results.values()
    assert len(own["centroids"]) == 10


@pytest.mark.usefixtures("digits")
def test_maps_and_attacks_fit_figures_9_and_10(monkeypatch):
    monkeypatch.setattr(figure_9, "RUNS", (("mnist", 64),) * 3)
    results = done(figure_10.EXPERIMENT.cells(1))
    assert figure_9.EXPERIMENT.finding(results, 1).claims
    assert figure_10.EXPERIMENT.finding(results, 1).claims
    (own,) = results.values()
    fooled = own["fooled"]["base"]
    assert fooled["on_base"] == fooled["on_itself"] >= fooled["sure"]
    assert own["known"]["base"]["test"] > fooled["on_base"][0] >= fooled["on_base"][1]


@pytest.mark.usefixtures("digits")
def test_small_sets_fit_overfitting(monkeypatch):
    monkeypatch.setattr(overfitting, "SIZES", {100: 2, 200: 1})
    assert len(overfitting.EXPERIMENT.finding(done(overfitting.EXPERIMENT.cells(1)), 1).claims) == 2


@pytest.mark.usefixtures("digits")
def test_few_points_fit_figure_3(monkeypatch):
    monkeypatch.setattr(figure_3, "IMAGES", 300)
    monkeypatch.setattr(figure_3, "DRAWN", 50)
    results = done(figure_3.EXPERIMENT.cells(1))
    _, second = figure_3.EXPERIMENT.finding(results, 1).claims
    assert second.verdict == "holds"
    assert len(figure_3.EXPERIMENT.finding(results, 1).look.charts) == 2


@pytest.fixture
def colours(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 32, 32), generator=generator, dtype=torch.uint8)
    names = tuple("abcdefghij")
    part = ImageSet(images, torch.arange(40) % 10, names, Normalisation((0.0,) * 3, (1.0,) * 3))
    noise = DataSplits("cifar10", part, part)
    for module in (base, deeper, mapped):
        monkeypatch.setattr(module, "read", lambda _data: noise)


@pytest.mark.usefixtures("colours")
def test_colours_fit_colour(monkeypatch):
    monkeypatch.setattr(colour, "SIZES", (64,))
    assert len(colour.EXPERIMENT.finding(done(colour.EXPERIMENT.cells(1)), 1).claims) == 4


@pytest.mark.usefixtures("colours")
def test_depths_fit_deeper(monkeypatch):
    monkeypatch.setattr(deeper, "SETTINGS", replace(deeper.SETTINGS, epochs=2, batch_size=16))
    monkeypatch.setattr(deeper, "MAP_EPOCHS", 1)
    monkeypatch.setattr(deeper, "IMAGES", 32)
    monkeypatch.setattr(deeper, "WATCHED", 8)
    judged = []
    percent = deeper.percent
    monkeypatch.setattr(
        deeper, "percent", lambda model, part: judged.append(len(part)) or percent(model, part)
    )
    found = deeper.EXPERIMENT.finding(done(deeper.EXPERIMENT.cells(1)), 1)
    assert [claim.verdict for claim in found.claims]
    assert set(judged) == {32, 40}  # all images, whatever is watched in between
    assert "nan" not in str(found.tables[0].lines)
    assert [line[0] for line in found.tables[0].lines][2:] == ["stem", "layer1", "layer2", "layer3"]
