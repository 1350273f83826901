import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imprint.data import AudioOptions, survey
from imprint.errors import DamagedFileError, InvalidValueError, LayerError, MissingFileError
from imprint.models import build_model
from imprint.runs import read_json, read_tensors, write_tensors
from imprint.sound_statistics import sound_statistics
from imprint.training import (
    SameTrackSettings,
    Trained,
    load_trained,
    split_tracks,
    train_same_track,
)
from imprint.training.contrast import augment_sounds, contrast, pairs_of_tracks
from imprint.training.embedding import SignatureOf, build_embedding
from imprint.types import ImageSet
from imprint.whitening import Whitening

CONV = {"model": "conv4", "layer": "block4", "epochs": 2, "batch_size": 8, "device": "cpu"}


def sounds(tracks=12, each=3, seed=0, frames=60):
    """Tracks with a spectrum of their own, whose level and noise differ between excerpts."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.rand(tracks, 2, 64, 1, generator=generator)
    names = torch.arange(tracks).repeat_interleave(each)
    level = 0.5 + 0.5 * torch.rand(len(names), 1, 1, 1, generator=generator)
    noise = 0.3 * torch.rand(len(names), 2, 64, frames, generator=generator)
    images = ((0.6 * own[names] * level + noise).clamp(0, 1) * 255).round().byte()
    return ImageSet(images, torch.zeros(len(names), dtype=torch.int64), ("all",), groups=names)


@pytest.mark.parametrize("given", [{}, CONV])
def test_a_run_is_loaded_as_it_was_and_gives_vectors_of_length_1(given, tmp_path):
    train, test = split_tracks(sounds(), 0.25)
    settings = SameTrackSettings(**given)
    network, result = train_same_track(train, test, settings, out=tmp_path / "run")
    trained = load_trained(tmp_path / "run", answers=False)
    images = test.images.float() / 255
    with torch.inference_mode():
        vectors = network(images)
        assert torch.equal(trained.model(images), vectors)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)
    assert isinstance(trained, Trained)
    assert (trained.layer, trained.class_names) == ("embedding", ())
    assert result == read_json(tmp_path / "run" / "result.json")
    assert (result["tracks"], result["test_tracks"]) == (9, 3)
    assert len(result["losses"]) == (2 if given else 0)
    assert read_json(tmp_path / "run" / "config.json")["task"] == "same-track"


def test_a_vector_is_the_direction_of_the_mean_of_its_windows():
    train, test = split_tracks(sounds(frames=300), 0.25)
    network, _ = train_same_track(train, test, SameTrackSettings(dimensions=40))
    images = test.images.float() / 255
    solved = Whitening(*(getattr(network.embedding, name) for name in Whitening._fields))
    with torch.inference_mode():
        vectors = network(images)
        for image, vector in zip(images, vectors, strict=True):
            parts = [image[None, :, :, begin : begin + 94] for begin in (0, 69, 137, 206)]
            own = [F.normalize(solved(sound_statistics(part))[0], dim=0) for part in parts]
            expected = F.normalize(torch.stack(own).mean(0), dim=0)
            torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-4)


def test_silence_within_a_sound_has_no_part_in_its_vector():
    train, test = split_tracks(sounds(frames=300), 0.25)
    silent = train.images.clone()
    silent[:3, :, :, 94:] = 0
    network, _ = train_same_track(replace(train, images=silent), test, SameTrackSettings())
    images = test.images.float() / 255
    cut = torch.where(torch.arange(300) < 163, images, 0.0)  # of four windows the last is silent
    with torch.inference_mode():
        shorter = network.embedding(network.features(cut)[:, :3])
        torch.testing.assert_close(network(cut), shorter)
        assert network(torch.zeros_like(images)).count_nonzero() == 0
        assert network(images[:0]).shape == (0, network.dimensions)
    assert network.embedding.matrix.isfinite().all()


@pytest.mark.parametrize(("tracks", "dimensions"), [(12, 852), (400, 384)])
def test_fewer_tracks_than_dimensions_keep_all_features(tracks, dimensions):
    train = sounds(tracks=tracks, each=2, frames=20)
    network, result = train_same_track(train, train, SameTrackSettings())
    assert network.dimensions == result["dimensions"] == dimensions


def test_a_run_that_was_solved_for_whole_sounds_is_told(tmp_path):
    train, test = split_tracks(sounds(), 0.25)
    train_same_track(train, test, SameTrackSettings(), out=tmp_path / "run")
    tensors, note = read_tensors(tmp_path / "run" / "model.safetensors")
    del tensors["features.window"]
    write_tensors(tmp_path / "run" / "model.safetensors", tensors, note)
    with pytest.raises(DamagedFileError, match=r"features\.window"):
        load_trained(tmp_path / "run", answers=False)


@pytest.mark.parametrize("frames", [60, 300])
def test_what_varies_within_tracks_counts_for_less(frames):
    """Excerpts differ in colour by three patterns, more than tracks do by their own."""
    generator = torch.Generator().manual_seed(0)
    tracks = torch.arange(30).repeat_interleave(4)
    own = torch.rand(30, 64, generator=generator)[tracks]
    colour = torch.rand(120, 3, generator=generator) @ torch.rand(3, 64, generator=generator)
    images = (0.1 * own + 0.3 * colour)[:, None, :, None].expand(-1, 2, -1, frames)
    noise = 0.05 * torch.rand(images.shape, generator=generator)
    labels = torch.zeros(120, dtype=torch.int64)
    whole = ImageSet(((images + noise) * 255).byte(), labels, ("",), groups=tracks)
    train, test = split_tracks(whole, 0.3)
    _, result = train_same_track(train, test, SameTrackSettings())
    assert result["first"] > 0.8
    assert result["untrained_first"] < 0.6, result


def test_what_tracks_have_of_their_own_counts_for_much_where_they_are_told_right():
    """Tracks differ by three patterns, excerpts by 64 bands: without tracks all count alike."""
    generator = torch.Generator().manual_seed(0)
    tracks = torch.arange(60).repeat_interleave(4)
    own = (torch.rand(60, 3, generator=generator) @ torch.rand(3, 64, generator=generator))[tracks]
    rest = torch.rand(240, 64, generator=generator)
    images = (0.15 * own + 0.3 * rest)[:, None, :, None].expand(-1, 2, -1, 300)
    images = images + 0.05 * torch.rand(images.shape, generator=generator)
    labels = torch.zeros(240, dtype=torch.int64)
    whole = ImageSet((images * 255).byte(), labels, ("",), groups=tracks)
    train, test = split_tracks(whole, 0.3)
    mixed = train.groups[torch.randperm(len(train), generator=generator)]
    _, right = train_same_track(train, test, SameTrackSettings())
    _, wrong = train_same_track(replace(train, groups=mixed), test, SameTrackSettings())
    assert right["first"] > 2 * wrong["first"], (right["first"], wrong["first"])


def test_a_network_learns_by_contrast():
    train = sounds()
    network = SignatureOf(build_model("conv4", (2, 64, 60), None), "block4")
    settings = SameTrackSettings(**{**CONV, "epochs": 12})
    steps = []
    losses = contrast(
        network, train.images, train.groups, settings, device=torch.device("cpu"),
        on_step=lambda *own: steps.append(own[:2]),
    )  # fmt: skip
    assert losses[-1] < 0.7 * losses[0]
    assert steps == [(step, 36) for step in range(1, 37)]


def test_it_repeats_to_the_bit_and_leaves_random_state_alone():
    train, test = split_tracks(sounds(), 0.25)
    state = torch.get_rng_state()
    one, again = (train_same_track(train, test, SameTrackSettings(**CONV))[0] for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for left, right in zip(one.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_a_networks_own_dropout_repeats_as_well():
    train = sounds(tracks=4)

    settings = SameTrackSettings(**{**CONV, "layer": "2"})
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Dropout(), nn.ReLU())
    copies = [SignatureOf(own, "2") for own in (network, deepcopy(network))]
    state = torch.get_rng_state()
    one, again = (
        contrast(own, train.images, train.groups, settings, device=torch.device("cpu"))
        for own in copies
    )
    assert one == again
    assert torch.equal(torch.get_rng_state(), state)


def test_silence_has_no_part_in_it():
    train, test = split_tracks(sounds(), 0.25)
    silent = torch.zeros(4, 2, 64, 60, dtype=torch.uint8)

    def joined(part, name):
        groups = torch.cat([part.groups, torch.full((4,), name)])
        labels = torch.zeros(len(groups), dtype=torch.int64)
        return ImageSet(torch.cat([part.images, silent]), labels, ("all",), groups=groups)

    one, plain = train_same_track(train, test, SameTrackSettings())
    other, result = train_same_track(joined(train, 77), joined(test, 78), SameTrackSettings())
    assert torch.equal(one.embedding.matrix, other.embedding.matrix)
    told = ("first", "untrained_first", "test_excerpts", "tracks")
    assert [plain[name] for name in told] == [result[name] for name in told]


def test_a_network_that_will_not_do_is_told(tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def fixed(): return nn.Sequential(nn.Flatten(), nn.Linear(2 * 64 * 60, 4))\n"
        "class NaN(nn.Module):\n"
        "    def forward(self, images): return images * torch.nan\n"
        "def nan(): return nn.Sequential(nn.Conv2d(2, 4, 3), NaN())\n"
    )
    train, test = split_tracks(sounds(), 0.25)
    for name, message in (
        ("fixed", "model: expected one that takes sounds of any length"),
        ("nan", "features: expected finite numbers"),
    ):
        own = {**CONV, "model": f"{tmp_path}/own.py:{name}", "layer": "1"}
        with pytest.raises(InvalidValueError, match=message):
            train_same_track(train, test, SameTrackSettings(**own), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_gradients_lead_through_a_signature_to_the_network():
    own = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    SignatureOf(own, "1")(torch.rand(2, 2, 24, 9)).sum().backward()
    assert own[0].weight.grad.abs().sum() > 0
    assert not own[1]._forward_hooks


def test_pairs_are_two_excerpts_of_each_track_once_an_epoch():
    tracks = torch.tensor([4, 9, 4, 4, 9, 7])
    rows = torch.cat([*pairs_of_tracks(tracks, 2, generator=torch.Generator().manual_seed(0))])
    first, second = rows.view(-1, 2).T
    assert torch.equal(tracks[first], tracks[second])
    assert sorted(tracks[first].tolist()) == [4, 7, 9]
    assert int((first == second).sum()) == 1  # of the track that has one excerpt only


def test_views_keep_range_and_pitch():
    images = torch.rand(4, 2, 64, 100)
    views = augment_sounds(images, generator=torch.Generator().manual_seed(0))
    assert views.shape == (4, 2, 64, 60)
    assert views.min() >= 0
    assert views.max() <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": "1"}, "layer: expected none for statistics, got 1"),
        ({"dimensions": 0}, "dimensions: expected at least 1, got 0"),
        ({"temperature": 0.0}, "temperature"),
        ({"shrinkage": 2.0}, "shrinkage"),
        ({"epochs": 0}, "epochs"),
        ({"lr": float("nan")}, "lr"),
    ],
)
def test_settings_that_will_not_do_are_told(given, message):
    with pytest.raises(InvalidValueError, match=message):
        SameTrackSettings(**given)


def test_what_cannot_be_learnt_from_leaves_no_folder(tmp_path):
    train, test = split_tracks(sounds(), 0.25)
    lone = ImageSet(test.images[:1], test.labels[:1], ("all",), groups=test.groups[:1])
    pictures = ImageSet(torch.zeros(4, 1, 8, 8).byte(), torch.zeros(4).long(), ("",))
    wrongs = ((pictures, "train: expected audio"), (lone, "train: expected excerpts of two"))
    for wrong, message in wrongs:
        with pytest.raises(InvalidValueError, match=message):
            train_same_track(wrong, test, SameTrackSettings(), out=tmp_path / "run")
    low = [replace(part, images=part.images[:, :, :20]) for part in (train, test)]
    with pytest.raises(InvalidValueError, match="H at least 24"):
        train_same_track(*low, SameTrackSettings())
    with pytest.raises(InvalidValueError, match="test: expected images"):
        train_same_track(train, low[1], SameTrackSettings())
    with pytest.raises(LayerError):
        train_same_track(
            train, test, SameTrackSettings(**{**CONV, "layer": "nope"}), out=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()
    with pytest.raises(InvalidValueError, match="at least 3 tracks, got 2"):
        split_tracks(sounds(tracks=2), 0.5)


def test_a_run_that_names_no_classes_is_told_where_classes_are_needed(tmp_path):
    train, test = split_tracks(sounds(), 0.25)
    train_same_track(train, test, SameTrackSettings(), out=tmp_path / "run")
    with pytest.raises(
        InvalidValueError, match=r"expected a run that names classes, got .*same-tr"
    ):
        load_trained(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(MissingFileError):
        load_trained(tmp_path / "run", answers=False)


def test_more_dimensions_than_features_are_as_many_as_features():
    assert build_embedding("statistics", (2, 64, 60), None, 9999).embedding.matrix.shape[0] == 852


def test_tracks_of_a_collection_that_was_not_heard_are_found():
    """On music: half as many are missed as by MFCC and chroma."""
    data = os.environ.get("IMPRINT_DATA")
    if not data or not (Path(data) / "music").is_dir():
        pytest.skip("needs the folder music in IMPRINT_DATA")
    part = survey(Path(data) / "music", audio=AudioOptions(seconds=15))["all"]
    held = torch.tensor([name == "naev-data" for name in part.metadata["collection"]])
    train, test = part.images.taken(~held), part.images.taken(held)
    network, result = train_same_track(train, test, SameTrackSettings())
    assert result["first"] > 0.75
    assert result["untrained_first"] < 0.65
    with torch.inference_mode():
        louder = network((test.images.float() / 255 + 0.02).clamp(0, 1))
        plain = network(test.images.float() / 255)
    assert float(F.cosine_similarity(louder, plain).median()) > 0.7
