"""Explorations of small sets: what they hold, what they leave alone, what they refuse."""

import csv
import sys

import numpy as np
import pytest
import torch
from torch import nn

from imprint.data import load
from imprint.errors import InvalidValueError, LayerError, MissingExtraError
from imprint.exploration import ExploreSettings, explore
from imprint.exploration.record import COLUMNS
from imprint.exploration.rows import Rows, parts_of
from imprint.models import build_model
from imprint.types import DataPart, DataSplits, ImageSet, Unreadable

QUICK = ExploreSettings(device="cpu", batch_size=16)
UNJUDGED = ExploreSettings(device="cpu", judge=None)


def blocks(count, side=12, channels=1, *, seed=0):
    """Images of coarse blocks, which nobody takes for noise."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.randint(256, (count, channels, side // 4, side // 4), generator=draw)
    fine = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return fine.to(torch.uint8)


def image_set(count=40, classes=2, **options):
    names = tuple(f"class {k}" for k in range(classes))
    return ImageSet(blocks(count, **options), torch.arange(count) % classes, names)


@pytest.fixture
def model():
    return build_model("conv4", (1, 12, 12), 2)


@pytest.mark.parametrize(
    "data",
    [
        image_set(),
        DataSplits("two", image_set(), image_set(20, seed=1)),
        {"all": DataPart(image_set())},
        [(image, k % 2) for k, image in enumerate(blocks(30))],
    ],
    ids=["images", "splits", "parts", "map-style"],
)
def test_takes_whatever_holds_images(data):
    found = explore(data, settings=UNJUDGED)
    assert sum(found.result["parts"].values()) == len(found.rows)


def test_same_seed_same_result_and_no_random_state_is_touched():
    torch.manual_seed(5)
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    settings = ExploreSettings(device="cpu", batch_size=16, embedding="tsne")
    first, second = (explore(image_set(60), settings=settings) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002
    assert torch.equal(first.embedding, second.embedding)
    assert torch.equal(first.samples.label_issue_score, second.samples.label_issue_score)
    left, right = ({**found.result, "seconds": None} for found in (first, second))
    assert left == right


def test_a_model_is_a_guest(model):
    model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    explore(image_set(), model=model, layer="block2", settings=UNJUDGED)
    assert model.training
    assert all(not module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_that_fails_is_left_as_it_was(model):
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, images):
            self.inner(images)
            raise KeyError("out of order")

    failing = Failing().train()
    with pytest.raises(KeyError, match="out of order"):
        explore(image_set(), model=failing, layer="inner.block1", settings=UNJUDGED)
    assert failing.training
    assert not model.block1._forward_hooks


def test_with_a_model_the_space_is_its_signatures(model):
    found = explore(image_set(), model=model, layer="block2", settings=UNJUDGED)
    assert found.result["space"] == "signatures"
    assert found.result["outlier_accuracy"].keys() == {"all"}


def test_outlier_scores_do_not_depend_on_the_order():
    images = image_set(60, classes=3)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    mixed = ImageSet(images.images[order], images.labels[order], images.class_names)
    first, second = (
        explore(data, settings=UNJUDGED).samples.outlier_score for data in (images, mixed)
    )
    assert torch.allclose(first[order], second, atol=1e-5)


def test_equal_images_across_parts_are_leaks_and_with_other_labels_conflicts():
    train, test = image_set(), image_set(20, seed=1)
    test.images[3] = train.images[8]
    test.images[5] = train.images[9]
    test.labels[3], test.labels[5] = train.labels[8], 1 - train.labels[9]
    found = explore(DataSplits("two", train, test), settings=UNJUDGED)
    assert found.duplicates() == [[("train", 8), ("test", 3)], [("train", 9), ("test", 5)]]
    assert found.samples.is_leak.nonzero()[:, 0].tolist() == [8, 9, 43, 45]
    assert found.result["leaks"] == {"train": 2, "test": 2}
    assert found.result["conflicting_groups"] == 1
    assert found.duplicates(near=True) == []


def test_a_row_a_sample(tmp_path):
    part = DataPart(
        image_set(4), [f"cat/{k}.png" for k in range(4)], [Unreadable("dog/x.png", 1, "broken")]
    )
    explore({"all": part}, settings=QUICK).to_csv(tmp_path / "samples.csv")
    with (tmp_path / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == [*(f"cat/{k}.png" for k in range(4)), "dog/x.png"]
    assert [row["is_unreadable"] for row in rows] == ["false"] * 4 + ["true"]
    assert rows[-1]["label"] == "class 1"
    assert rows[-1]["outlier_score"] == ""
    assert {row["duplicate_group"] for row in rows} == {""}


def test_the_table_says_where_each_row_lies_on_the_map(tmp_path):
    parts = {"train": DataPart(image_set(12)), "test": DataPart(image_set(4))}
    settings = ExploreSettings(judge=None, embedding="pca", device="cpu")
    found = explore(parts, settings=settings)
    with found.to_csv(tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    at = torch.tensor([[float(row["map_x"]), float(row["map_y"])] for row in rows[:12]])
    torch.testing.assert_close(at, found.embedding, atol=6e-4, rtol=0)
    assert {row["map_x"] + row["map_y"] for row in rows[12:]} == {""}


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (image_set(1, classes=1), "one class only"),
        (image_set(20, classes=1), "one class only"),
        (image_set(3), "only 3 images"),
        (ImageSet(torch.zeros(8, 1, 1, 1).byte(), torch.arange(8) % 2, ("a", "b")), "8 pixels"),
    ],
    ids=["one-image", "one-class", "three-images", "one-pixel"],
)
def test_where_labels_cannot_be_judged_it_says_why(images, reason):
    result = explore(images, settings=ExploreSettings(device="cpu", embedding="pca")).result
    assert result["label_issues"] is None
    assert reason in result["labels_unjudged"]


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_set_of_one_image_over_and_over(value):
    images = ImageSet(torch.full((20, 1, 12, 12), value).byte(), torch.arange(20) % 2, ("a", "b"))
    found = explore(images, settings=QUICK)
    assert found.result["duplicate_groups"] == 1
    assert found.result["outliers"] == 0
    assert found.result["conflicting_groups"] == 1


def test_a_class_that_only_the_test_part_has_is_no_outlier():
    names = ("a", "b")
    train = ImageSet(blocks(10), torch.zeros(10).long(), names)
    test = ImageSet(blocks(10, seed=1), torch.ones(10).long(), names)
    found = explore({"train": DataPart(train), "test": DataPart(test)}, settings=UNJUDGED)
    assert found.samples.outlier_score[10:].isnan().all()
    assert not found.samples.is_outlier[10:].any()
    assert found.result["classes"][1]["train_count"] == 0
    assert found.outliers(label="b") == []
    assert np.isnan(found.result["class_distances"][0][1])


def test_a_thousand_classes():
    found = explore(image_set(2000, classes=1000), settings=UNJUDGED)
    assert len(found.result["classes"]) == 1000
    assert found.result["class_distances"] is None  # a million numbers say nothing to anyone


def test_an_empty_part_is_listed_and_not_looked_at():
    parts = {
        "train": DataPart(image_set()),
        "test": DataPart(image_set(0), unreadable=[Unreadable("test/x.png", 0, "broken")]),
    }
    found = explore(parts, settings=QUICK)
    assert found.result["parts"] == {"train": 40, "test": 0}
    assert found.result["unreadable"] == 1


def test_ties_among_neighbours_favour_no_class():
    images = ImageSet(torch.full((40, 1, 12, 12), 9).byte(), torch.arange(40) % 2, ("a", "b"))
    first, second = explore(images, settings=UNJUDGED).result["classes"]
    flipped = ImageSet(images.images, 1 - images.labels, ("b", "a"))
    third, fourth = explore(flipped, settings=UNJUDGED).result["classes"]
    assert first["neighbour_accuracy"] == fourth["neighbour_accuracy"]
    assert second["neighbour_accuracy"] == third["neighbour_accuracy"]


def test_answers_are_matched_by_the_names_of_the_classes():
    class Answers(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, images):
            self.conv(images)
            return nn.functional.one_hot((images.mean((1, 2, 3)) > 0).long() + 1, 3).float()

    dark, light = (low + blocks(20) // 3 for low in (0, 160))
    images = ImageSet(torch.cat((dark, light)), torch.arange(40) // 20, ("dark", "light"))
    asked = {"model": Answers(), "layer": "conv", "settings": UNJUDGED}
    right = explore(images, answers=("apple", "dark", "light"), **asked).result
    assert right["outlier_accuracy"]["all"]["rest_accuracy"] == 1
    assert explore(images, **asked).result["outlier_accuracy"] is None  # three answers, two classes
    foreign = explore(images, answers=("x", "y", "z"), **asked).result
    assert foreign["outlier_accuracy"] is None


def test_maps_that_are_not_finite_are_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten())
    nn.init.constant_(model[0].weight, torch.nan)
    with pytest.raises(InvalidValueError, match="expected finite maps at layer '0'"):
        explore(image_set(), model=model, layer="0", settings=UNJUDGED)


def test_a_model_of_other_images_is_refused():
    with pytest.raises(InvalidValueError, match="model: expected one that takes the data"):
        explore(image_set(), model=nn.Sequential(nn.Conv2d(3, 2, 1)), layer="0", settings=UNJUDGED)


def test_red_is_no_copy_of_green():
    discs = torch.zeros(60, 3, 16, 16, dtype=torch.uint8)
    draw = torch.Generator().manual_seed(0)
    for k in range(60):
        top, left = torch.randint(0, 9, (2,), generator=draw).tolist()
        discs[k, k % 2, top : top + 6, left : left + 6] = 220
    found = explore(ImageSet(discs, torch.arange(60) % 2, ("red", "green")), settings=UNJUDGED)
    assert found.result["conflicting_groups"] == 0


def test_a_weak_judge_decides_nothing():
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (200,), generator=draw)
    found = explore(ImageSet(blocks(200), labels, ("a", "b")), settings=QUICK)
    assert found.result["label_issues"] is None
    assert "the judge is right on" in found.result["labels_unjudged"]
    assert found.samples.label_issue_score is not None


def test_a_path_with_any_character_stays_in_its_row(tmp_path):
    paths = ["a,b", 'a"b', "a\rb", "a\nb", "ä", "caf\udce9"]
    part = DataPart(image_set(6), paths)
    found = explore({"all": part}, settings=UNJUDGED)
    found.to_html(tmp_path / "look.html")
    with found.to_csv(tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [*paths[:-1], "caf\\udce9"]


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"layer": "block1"}, InvalidValueError, "layer: expected one with a model"),
        ({"model": nn.Identity()}, InvalidValueError, "layer: expected one with a model"),
        ({"model": nn.Identity(), "layer": "conv"}, LayerError, "layer: expected one of"),
    ],
)
def test_what_does_not_go_together_is_refused(given, error, text):
    with pytest.raises(error, match=text):
        explore(image_set(), settings=UNJUDGED, **given)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"embedding": "umap"}, r"embedding \(--map\): expected none, pca or tsne, got 'umap'"),
        ({"folds": 1}, "folds: expected at least 2, got 1"),
        ({"epochs": 0}, "epochs: expected a value"),
        ({"device": "tpu"}, "device: expected one of"),
    ],
)
def test_settings_are_checked_at_once(settings, text):
    with pytest.raises(InvalidValueError, match=text):
        ExploreSettings(**settings)


def test_a_judge_that_does_not_fit_is_refused_before_the_work():
    stages = []
    with pytest.raises(InvalidValueError, match="at least 16 pixels"):
        explore(
            image_set(),
            settings=ExploreSettings(device="cpu", judge="paper"),
            on_stage=stages.append,
        )
    assert stages == []


def test_more_folds_than_the_images_allow_are_refused():
    with pytest.raises(InvalidValueError, match="folds: expected 2 … 20, half the images; got 30"):
        explore(image_set(), settings=ExploreSettings(device="cpu", folds=30))


def test_only_what_is_needed_must_be_installed(monkeypatch):
    for name in ("cleanlab.filter", "openTSNE", "sklearn.neighbors"):
        monkeypatch.setitem(sys.modules, name, None)
    assert explore(image_set(), settings=UNJUDGED).result["label_issues"] is None


def test_an_extra_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'imprint\[explore\]'"):
        explore(image_set(), settings=UNJUDGED)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "expected at least one image"),
        ({"a": DataPart(image_set(0))}, "expected at least one image"),
        (
            {"a": DataPart(image_set()), "b": DataPart(image_set(side=8))},
            "data, b: expected the cl",
        ),
        (3, "map-style"),
    ],
)
def test_data_that_will_not_do(data, text):
    with pytest.raises(InvalidValueError, match=text):
        parts_of(data)


def test_rows_are_read_in_any_order():
    first, second = image_set(5), image_set(7, seed=1)
    rows = Rows({"train": DataPart(first), "test": DataPart(second)})
    wanted = torch.tensor([11, 0, 6, 4, 6])
    joined = torch.cat((first.images, second.images))
    assert torch.equal(rows.read(wanted), joined[wanted])
    assert torch.equal(torch.cat([chunk.images for chunk in rows.chunks()]), joined)


@pytest.mark.parametrize(("asked", "text"), [({"label": "z"}, "label"), ({"part": "z"}, "part")])
def test_outliers_of_what_is_not_there(asked, text):
    found = explore(image_set(), settings=UNJUDGED)
    with pytest.raises(InvalidValueError, match=f"{text}: expected one of"):
        found.outliers(**asked)


def test_centroids_are_the_means_of_the_classes():
    images = image_set(30, classes=3)
    means, stds = explore(images, settings=UNJUDGED).centroids()
    for k in range(3):
        own = images.images[images.labels == k].double() / 255
        assert torch.allclose(means[k].double(), own.mean(0), atol=1e-6)
        assert torch.allclose(stds[k].double(), own.std(0, correction=0), atol=1e-6)


def test_mnist_classes_are_told_apart_by_their_neighbours():
    whole = load("mnist").test
    found = explore(
        ImageSet(whole.images[:3000], whole.labels[:3000], whole.class_names), settings=UNJUDGED
    )
    assert found.result["neighbour_accuracy"] > 0.85
    pairs = [{pair["first"], pair["second"]} for pair in found.result["confused_pairs"][:3]]
    assert {"4", "9"} in pairs
