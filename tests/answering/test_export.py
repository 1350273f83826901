import builtins
import json
import math
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from imprint.answering.export import _symbolic_lengths, export_exits
from imprint.answering.exported import ExportedNetwork
from imprint.data import load, normalisation, normalise
from imprint.early_exit import (
    HEAD_KINDS,
    EarlyExit,
    Exit,
    FirstNetwork,
    Head,
    drift_scores,
    features_of,
    head_logits,
    margins,
)
from imprint.errors import DamagedFileError, InvalidValueError, RunExistsError
from imprint.models import build_model
from imprint.runs import read_json, write_json, write_tensors
from imprint.taps import maps_at

NAMES = tuple("0123456789")


@pytest.fixture(scope="module")
def images():
    return load("mnist").test.images[:1000]


@pytest.fixture(scope="module")
def scale(images):
    return normalisation(images)


@torch.no_grad()
def exits_of(model, layers, images, kind):
    """Exits with heads of chance, each sure of about a third of the images."""
    generator = torch.Generator().manual_seed(0)
    found, maps = [], images
    for name, module in model.named_children():
        maps = module(maps)
        if name in layers:
            width = features_of(maps[:1], kind).shape[1]
            head = Head(torch.randn(10, width, generator=generator), torch.zeros(10), kind)
            sure = margins(head_logits(maps, head))
            found.append(Exit(name, tuple(maps.shape[1:]), head, float(sure.quantile(0.67))))
    return EarlyExit(tuple(found))


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_onnxruntime_answers_a_thousand_images_alike(images, scale, tmp_path, kind):
    model = build_model("paper", (1, 28, 28), 10).eval()
    floats, routes = normalise(images, scale), []
    exits = exits_of(model, ("pool1", "pool2", "relu3"), floats, kind)
    with torch.no_grad(), exits(model, routes.append):
        expected = model(floats)
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    about = json.loads((folder / "exits.json").read_text())
    assert about["layers"] == ["pool1", "pool2", "relu3"]
    assert about["classes"] == list(NAMES)
    assert about["thresholds"] == [own.threshold for own in exits.exits]
    exported = ExportedNetwork.load(folder, threads=1)
    logits, taken = exported.answer(images.numpy())
    same = taken == routes[0].taken.numpy()
    assert same.mean() > 0.998  # rounding may tip one that lies at a threshold
    np.testing.assert_allclose(logits[same], expected.numpy()[same], rtol=1e-3, atol=1e-3)
    assert (logits.argmax(1) == expected.argmax(1).numpy())[same].all()
    assert set(taken.tolist()) == {0, 1, 2, 3}
    one = np.concatenate([exported.answer(images[k : k + 1].numpy())[0] for k in range(20)])
    np.testing.assert_allclose(one, logits[:20], rtol=1e-3, atol=1e-3)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_first_network_is_the_first_segment(images, scale, tmp_path):
    model, small = (build_model(name, (1, 28, 28), 10).eval() for name in ("paper", "conv4"))
    floats, routes = normalise(images, scale), []
    with torch.no_grad():
        threshold = float(margins(small(floats)).quantile(0.5))
    first = FirstNetwork(small, (1, 28, 28), threshold)
    exits = EarlyExit((first, *exits_of(model, ("pool1",), floats, "mlp").exits))
    with torch.no_grad(), exits(model, routes.append):
        expected = model(floats)
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    assert json.loads((folder / "exits.json").read_text())["layers"] == ["first network", "pool1"]
    logits, taken = ExportedNetwork.load(folder, threads=1).answer(images.numpy())
    same = taken == routes[0].taken.numpy()
    assert same.mean() > 0.998
    assert set(taken.tolist()) == {0, 1, 2}
    np.testing.assert_allclose(logits[same], expected.numpy()[same], rtol=1e-3, atol=1e-3)


def test_a_first_network_is_not_asked_once_data_have_moved(images, scale, tmp_path):
    model, small = (build_model(name, (1, 28, 28), 10).eval() for name in ("paper", "conv4"))
    first = FirstNetwork(small, (1, 28, 28), 0.0)  # sure of all
    with torch.no_grad():
        reference = drift_scores(small(normalise(images[20:], scale)))
    folder = export_exits(
        model, EarlyExit((first,), reference=reference), tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    exported = ExportedNetwork.load(folder, threads=1)
    monitor, pixels = exported.monitor(), images[:20].numpy()
    assert exported.answer(pixels, monitor)[1].tolist() == [0] * 20
    monitor.alarmed, seen = True, monitor.seen
    exported._segments[0] = None  # cannot be asked
    logits, taken = exported.answer(pixels, monitor)
    assert taken.tolist() == [1] * 20
    assert monitor.seen == seen
    with torch.no_grad():
        expected = model(normalise(images[:20], scale)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)


class Tokens(nn.Module):
    """Asks, after its first layer, how many rows there are."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(28, 16)
        self.token = nn.Parameter(torch.ones(1, 1, 16))
        self.head = nn.Linear(16, 10)

    def forward(self, images):
        tokens = self.first(images[:, 0])
        both = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        return self.head(both.relu().mean(1))


@torch.no_grad()
def test_a_part_that_asks_for_the_number_of_rows_gets_its_own(images, scale, tmp_path):
    model, floats, routes = Tokens().eval(), normalise(images[:100], scale), []
    maps = model.first(floats[:, 0])
    head = Head(torch.randn(10, 32, generator=torch.Generator().manual_seed(0)), torch.zeros(10))
    sure = margins(head_logits(maps, head))
    exits = EarlyExit((Exit("first", (28, 16), head, float(sure.median())),))
    with exits(model, routes.append):
        expected = model(floats)
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    logits, taken = ExportedNetwork.load(folder, threads=1).answer(images[:100].numpy())
    same = taken == routes[0].taken.numpy()
    assert same.mean() > 0.97
    np.testing.assert_allclose(logits[same], expected.numpy()[same], rtol=1e-3, atol=1e-3)


def test_without_exits_there_is_one_segment(images, scale, tmp_path):
    model = build_model("paper", (1, 28, 28), 10).train()
    folder = export_exits(
        model, EarlyExit(()), tmp_path,
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == ["exits.json", "segment_0.onnx"]
    assert model.training
    logits, taken = ExportedNetwork.load(folder, threads=1).answer(images[:5].numpy())
    with torch.no_grad():
        expected = model.eval()(normalise(images[:5], scale))
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert taken.tolist() == [0] * 5
    with pytest.raises(RunExistsError):
        export_exits(
            model, EarlyExit(()), tmp_path,
            shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
        )  # fmt: skip
    with pytest.raises(InvalidValueError, match=r"pixels: expected \(N, \*\(1, 28, 28\)\)"):
        ExportedNetwork.load(folder).answer(np.zeros((2, 3, 28, 28), np.uint8))
    (folder / "segment_0.onnx").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError, match="expected an exported network"):
        ExportedNetwork.load(folder)


def test_a_network_that_cannot_be_exported_is_told_before_anything_is_written(scale, tmp_path):
    class Moody(nn.Module):
        def forward(self, images):
            if images.sum() > 0:
                return images.flatten(1)
            return -images.flatten(1)

    with pytest.raises(InvalidValueError, match="model: expected one that PyTorch can export"):
        export_exits(
            Moody(), EarlyExit(()), tmp_path / "out",
            shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_layer_that_the_next_one_changes_in_place_and_one_that_is_closed(images, scale, tmp_path):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(676, 10)
    ).eval()
    floats, routes = normalise(images[:200], scale), []
    first = exits_of(model, ("0",), floats, "mlp").exits[0]
    closed = replace(first, threshold=math.inf)
    exits = EarlyExit((closed, first))
    with torch.no_grad(), exits(model, routes.append):
        expected = model(floats)
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    exported = ExportedNetwork.load(folder, threads=1)
    assert exported.places == ("0", "end")
    logits, taken = exported.answer(images[:200].numpy())
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-3, atol=1e-3)
    assert taken.tolist() == (routes[0].taken - 1).tolist()
    assert set(taken.tolist()) == {0, 1}


def test_an_export_watches_for_data_that_move(images, scale, tmp_path):
    model, floats = build_model("paper", (1, 28, 28), 10).eval(), normalise(images, scale)
    exits = exits_of(model, ("pool1", "relu3"), floats, "mlp")
    known = drift_scores(head_logits(maps_at(model, "pool1", floats), exits.exits[0].head))
    exits = replace(exits, reference=known[:, :500])
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    exported = ExportedNetwork.load(folder, threads=1)
    monitor, own = exported.monitor(), exits.monitor()
    calm, moved = images[500:].split(100), (255 - images[:500]).split(100)
    for part in calm:
        exported.answer(part.numpy(), monitor)
    assert (monitor.alarmed, monitor.seen) == (False, 500)
    taken = [exported.answer(part.numpy(), monitor)[1] for part in moved]
    assert monitor.alarmed
    assert (taken[-1] == len(exits.exits)).all()
    with torch.no_grad(), exits(model, monitor=own):
        for part in (*calm, *moved):
            model(normalise(part, scale))
    assert own.alarmed
    assert own.seen == monitor.seen  # neither looks any further


def test_an_export_of_exits_that_were_not_calibrated_has_nothing_to_watch(images, scale, tmp_path):
    model = build_model("paper", (1, 28, 28), 10).eval()
    exits = exits_of(model, ("pool1",), normalise(images[:50], scale), "mlp")
    folder = export_exits(
        model, exits, tmp_path / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip
    with pytest.raises(InvalidValueError, match=r"with reference\.safetensors, got one without"):
        ExportedNetwork.load(folder).monitor()
    (folder / "reference.safetensors").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError):
        ExportedNetwork.load(folder)
    write_tensors(folder / "reference.safetensors", {"reference": torch.zeros(3, 50)}, {})
    with pytest.raises(DamagedFileError, match=r"`reference` \(2, M\), got \(3, 50\)"):
        ExportedNetwork.load(folder)


@pytest.fixture(scope="module")
def written(images, scale, tmp_path_factory):
    """An export with one exit."""
    model = build_model("paper", (1, 28, 28), 10).eval()
    exits = exits_of(model, ("pool1",), normalise(images[:50], scale), "mlp")
    return export_exits(
        model, exits, tmp_path_factory.mktemp("export") / "out",
        shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layers": None}, r"exits.json: expected a list `layers` of str, got None"),
        ({"thresholds": []}, r"expected 1 `thresholds`, got 0"),
        ({"thresholds": [1.0, 2.0]}, r"expected 1 `thresholds`, got 2"),
        ({"thresholds": ["a"]}, r"expected a list `thresholds` of float, got \['a'\]"),
        ({"mean": [0.1] * 3}, r"expected 1 `mean`, got 3"),
        ({"shape": [28, 28]}, r"expected 3 `shape`, got 2"),
        ({"classes": ["a", "b"]}, r"expected an exported network, 10 logits, of 2 classes"),
    ],
)
def test_an_export_whose_note_is_damaged_is_told(written, tmp_path, change, told):
    folder = shutil.copytree(written, tmp_path / "copy")
    write_json(folder / "exits.json", read_json(folder / "exits.json") | change)
    with pytest.raises(DamagedFileError, match=told):
        ExportedNetwork.load(folder)
    (folder / "exits.json").write_text("[]")
    with pytest.raises(DamagedFileError, match="expected"):
        ExportedNetwork.load(folder)


def test_an_export_with_few_to_compare_with_answers_and_does_not_watch(written, tmp_path):
    folder = shutil.copytree(written, tmp_path / "copy")
    write_tensors(folder / "reference.safetensors", {"reference": torch.zeros(2, 5)}, {})
    network = ExportedNetwork.load(folder)
    with pytest.raises(InvalidValueError, match=r"reference: expected \(S, M\), M at least 20"):
        network.monitor()


class Counted(nn.Module):
    """Asks for the number of its images as most people do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=3)
        self.head = nn.Linear(324, 10)

    def forward(self, images):
        maps = self.conv(images).relu()
        return self.head(maps.reshape(len(maps), -1))


def test_a_network_may_ask_how_many_images_there_are(images, scale, tmp_path):
    model, floats, routes = Counted().eval(), normalise(images[:100], scale), []
    maps = maps_at(model, "conv", floats)
    width = features_of(maps, "probe").shape[1]
    head = Head(torch.randn(10, width, generator=torch.Generator().manual_seed(0)), torch.zeros(10))
    sure = margins(head_logits(maps, head))
    for exits in (
        EarlyExit(()),
        EarlyExit((Exit("conv", tuple(maps.shape[1:]), head, float(sure.median())),)),
    ):
        with torch.no_grad(), exits(model, routes.append):
            expected = model(floats)
        folder = export_exits(
            model, exits, tmp_path / str(len(exits.exits)),
            shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
        )  # fmt: skip
        logits, taken = ExportedNetwork.load(folder, threads=1).answer(images[:100].numpy())
        same = taken == routes[-1].taken.numpy()
        assert same.mean() > 0.97
        np.testing.assert_allclose(logits[same], expected.numpy()[same], rtol=1e-3, atol=1e-3)


class Fixed(nn.Module):
    """Counts its images where no exporter can follow."""

    def forward(self, images):
        return images.reshape(int(images.shape[0]), -1)[:, :10]


def test_a_network_for_one_number_of_images_is_told(scale, tmp_path):
    with pytest.raises(InvalidValueError, match=r"any number of images, got .* 2 alone"):
        export_exits(
            Fixed(), EarlyExit(()), tmp_path / "out",
            shape=(1, 28, 28), class_names=NAMES, normalisation=scale,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
    assert len is builtins.len
    assert len.__module__ == "builtins"


def test_two_threads_leave_len_as_it_was():
    def export():
        with _symbolic_lengths():
            time.sleep(0.05)

    threads = [threading.Thread(target=export) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builtins.len.__module__ == "builtins"
