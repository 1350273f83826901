"""What the tabs See and Fool compute."""

import shutil

import pytest
import torch
from PIL import Image

from imprint.app import see_tab
from imprint.app.fooling import answers_on, change_picture, check_pair, fool
from imprint.app.looking import (
    answer_of,
    layers_of,
    maps_picture,
    occlusion_picture,
    where_answered,
)
from imprint.app.neighbours import neighbours_of
from imprint.app.sources import sources_of
from imprint.app.subject import image_of
from imprint.data import normalise
from imprint.early_exit import EarlyExit, Exit
from imprint.early_exit.heads import Head
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.training import Trained


@pytest.fixture
def trained(sources):
    return sources.networks.network("first")


@pytest.fixture
def image(sources):
    return image_of(sources, "first", 3).image


def test_the_answer_is_the_networks_own(trained, image):
    with torch.no_grad():
        expected = trained.model(normalise(image[None], trained.normalisation)).softmax(1)[0]
    found = answer_of(trained, image)
    assert found.label == int(expected.argmax())
    assert [share for _, share in found.classes] == pytest.approx(
        expected.topk(5).values.tolist(), abs=1e-6
    )


def test_an_image_is_answered_where_the_exits_say(trained, image):
    trained_state = trained.model.state_dict()
    before = {name: own.clone() for name, own in trained_state.items()}
    sure = Head(torch.zeros(10, 32), torch.eye(10)[4] * 50, "probe")
    exits = EarlyExit((Exit("block1", (16, 14, 14), sure, -1.0),))
    assert where_answered(trained, exits, image) == "Answered early, at block1: 4."
    twice = EarlyExit((*exits.exits, *exits.exits))
    assert where_answered(trained, twice, image) == (
        "Answered early, at block1, with 1 more exit to come: 4."
    )
    unsure = EarlyExit((Exit("block1", (16, 14, 14), sure, float("inf")),))
    label = answer_of(trained, image).classes[0][0]
    assert where_answered(trained, unsure, image) == f"Answered at the end: {label}."
    assert all(torch.equal(before[name], own) for name, own in trained_state.items())


def test_maps_are_there_for_each_layer(trained, image):
    found = layers_of(trained, image)
    assert next(iter(found)).startswith("block1.0: Conv2d, 16 maps of 28 x 28")
    grid = maps_picture(next(iter(found.values())))
    assert (grid.columns, grid.rows) == (8, 2)


def test_occlusion_says_how_much_the_probability_falls(trained, image, random_state):
    grid, note = occlusion_picture(trained, image, answer_of(trained, image).label)
    assert grid.source.startswith("data:image/png")
    assert "at most" in note
    assert not trained.model.training


@pytest.mark.parametrize("look", [answer_of, layers_of])
def test_an_image_of_another_shape_is_refused(trained, look):
    with pytest.raises(InvalidValueError, match="as the network takes them"):
        look(trained, torch.zeros(3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3])
def test_no_pixel_changes_by_more_than_epsilon(trained, image, attack, epsilon, random_state):
    made = fool(trained, image, 3, epsilon=epsilon, attack=attack)
    assert float(made.change.abs().max()) <= epsilon + 1e-6
    assert 0 <= float(made.made.min()) <= float(made.made.max()) <= 1
    assert (epsilon == 0) == bool((made.change == 0).all())


def test_a_large_epsilon_fools_the_network(trained, image):
    label = answer_of(trained, image).label
    made = fool(trained, image, label, epsilon=0.3, attack="pgd")
    before, after = (answers_on(trained, own) for own in made)
    assert before[0].label == label
    assert after[0].label != label


def test_an_attack_that_there_is_not_is_refused(trained, image):
    with pytest.raises(InvalidValueError, match="expected fgsm or pgd"):
        fool(trained, image, 3, epsilon=0.1, attack="none")


def test_what_was_added_is_magnified_until_epsilon_fills_the_range():
    change = torch.tensor([-0.1, 0.0, 0.1]).view(1, 1, 3).repeat(3, 1, 1)
    assert change_picture(change, 0.1)[0, 0].tolist() == [0, 128, 255]
    assert change_picture(change[:1], 0.1)[:, 0, 1].tolist() == [20, 24, 29]


def test_two_networks_must_take_the_same_images(trained):
    check_pair(trained, trained)
    other = trained.__class__(
        trained.model, None, trained.normalisation, (3, 32, 32), trained.class_names
    )
    with pytest.raises(InvalidValueError, match="second network: expected images"):
        check_pair(trained, other)


@pytest.fixture
def dropped(sources):
    sources.cache.mkdir()
    return sources.cache


def test_a_dropped_image_is_brought_to_the_networks_shape(sources, dropped):
    path = dropped / "слика 図.png"
    Image.new("RGB", (90, 60), "white").save(path)
    own = image_of(sources, "first", str(path))
    assert own.image.shape == (1, 28, 28)
    assert own.label is None


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_told_so(sources, dropped, content):
    path = dropped / "a.png"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        image_of(sources, "first", str(path))


def test_a_file_that_was_not_dropped_is_not_read(sources, dropped, tmp_path):
    Image.new("L", (28, 28)).save(tmp_path / "a.png")
    (dropped / "link.png").symlink_to(tmp_path / "a.png")
    for path in (tmp_path / "a.png", dropped / ".." / "a.png", dropped / "link.png"):
        with pytest.raises(InvalidValueError, match="expected one that was dropped"):
            image_of(sources, "first", str(path))


@pytest.mark.parametrize("number", [-1, 0.5, None, 100, float("nan"), float("inf")])
def test_a_test_image_that_there_is_not_is_refused(sources, number):
    with pytest.raises(InvalidValueError, match="test image: expected"):
        image_of(sources, "first", number)


def test_data_that_were_not_named_are_not_read(place, tmp_path):
    from imprint.app.named_folders import NamedFolders

    sources = sources_of(NamedFolders(place / "runs"), None, tmp_path)
    with pytest.raises(InvalidValueError, match="named by --data"):
        image_of(sources, "first", 0)


def test_the_nearest_image_in_the_index_is_itself(place, folders, trained, image, tmp_path):
    sources = sources_of(folders, str(place / "digits.index"), tmp_path)
    found = neighbours_of(sources, trained, image)
    assert found.hidden == 0
    assert found.shown[0].note.startswith("1. test/3, 0, similarity 1.0000")


def test_an_index_of_another_network_is_refused(place, folders, image, tmp_path):
    sources = sources_of(folders, str(place / "digits.index"), tmp_path)
    with pytest.raises(InvalidValueError, match="expected signatures of this network, got those"):
        neighbours_of(sources, sources.networks.network("second"), image)


def test_neighbours_outside_of_the_named_folders_are_counted_and_not_shown(
    place, trained, image, tmp_path
):
    from imprint.app.named_folders import NamedFolders

    shutil.copytree(place / "runs", tmp_path / "runs")
    sources = sources_of(NamedFolders(tmp_path / "runs"), str(place / "digits.index"), tmp_path)
    found = neighbours_of(sources, trained, image)
    assert found.shown == []
    assert found.hidden == 12


def test_a_network_of_sound_is_told_once_and_before_an_image_is_asked_for(
    sources, trained, monkeypatch
):
    heard = Trained(trained.model, None, trained.normalisation, (2, 64, 32), trained.class_names)
    monkeypatch.setattr(sources.networks, "network", lambda _run: heard)
    for subject in (None, 0):
        with pytest.raises(InvalidValueError, match="expected one that takes images"):
            see_tab._answer(sources, "first", subject, None)
    assert see_tab._covered(sources, "first", 0) == ""
    assert see_tab._near(sources, "first", 0) == ""
    assert see_tab._maps(sources, "first", 0, None) == ""
