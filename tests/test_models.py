import sys

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, MissingFileError
from imprint.models import BUILT_IN, build_model, default_layer
from imprint.taps import carries_all_data


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 40, 24)])
def test_built_in_networks_fit_any_usual_image(name, shape):
    model = build_model(name, shape, 7)
    assert model.training
    assert carries_all_data(model, default_layer(name), torch.rand(2, *shape))


def test_weights_come_from_the_seed_alone():
    state = torch.get_rng_state()
    one, same, other = (build_model("paper", (1, 28, 28), 10, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.conv1.weight, same.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_networks_are_those_of_their_papers():
    count = {
        n: sum(p.numel() for p in build_model(n, (3, 32, 32), 10).parameters()) for n in BUILT_IN
    }
    assert count["resnet18"] == 11_173_962
    assert 0.27e6 < count["resnet20"] < 0.28e6  # He et al. 2016, table 6: 0.27 M


def test_a_users_own_factory(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from torch import nn\n"
        "def plain(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 3))\n"
        "def sized(num_classes, in_channels):\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, num_classes, 28), nn.Flatten())\n"
        "def defaulted(num_classes=7): return nn.Linear(2, num_classes)\n"
        "def text(): return 'no model'\n"
        "value = 3\n"
    )
    for factory in ("plain", "sized"):
        assert isinstance(build_model(f"{path}:{factory}", (1, 28, 28), 3), nn.Module)
    told = build_model(f"{path}:defaulted", (1, 28, 28), 3)
    untold = build_model(f"{path}:defaulted", (1, 28, 28), None)
    assert (told.out_features, untold.out_features) == (3, 7)
    assert build_model(f"{path}:sized", (1, 28, 28), None)[0].out_channels == 10
    for factory, message in (
        ("text", "expected .* nn.Module"),
        ("value", "expected a factory 'value'"),
        ("none", "expected a factory 'none'"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            build_model(f"{path}:{factory}", (1, 28, 28), 3)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def build(:\n", "expected .*net.py to give a network, got SyntaxError"),
        ("import nowhere_at_all\n", "got ModuleNotFoundError: .*nowhere_at_all"),
        ("def build(depth):\n    pass\n", "got TypeError: .*'depth'"),
        ("def build():\n    return 1 / 0\n", "got ZeroDivisionError"),
        ("raise SystemExit(3)\n", "got SystemExit: 3"),
    ],
)
def test_a_factory_that_fails_is_told_in_one_line(tmp_path, code, message):
    (tmp_path / "net.py").write_text(code)
    before = sys.path.copy()
    with pytest.raises(InvalidValueError, match=message):
        build_model(f"{tmp_path}/net.py:build", (1, 8, 8), 2)
    assert sys.path == before


def test_a_factory_finds_its_neighbours_and_may_take_all_there_is(tmp_path, monkeypatch):
    (tmp_path / "lower_part_of_net.py").write_text("WIDTH = 7\n")
    (tmp_path / "upper_part_of_net.py").write_text(
        "from torch import nn\nfrom lower_part_of_net import WIDTH\n"
        "def build(**given):\n    return nn.Linear(WIDTH, given['num_classes'])\n"
    )
    assert build_model(f"{tmp_path}/upper_part_of_net.py:build", (1, 8, 8), 3).out_features == 3
    monkeypatch.chdir(tmp_path)
    assert build_model("upper_part_of_net:build", (1, 8, 8), 4).in_features == 7


def test_a_model_that_is_not_there():
    with pytest.raises(InvalidValueError, match=r"paper, conv4, .* got 'resnet99'"):
        build_model("resnet99", (1, 28, 28), 10)
    with pytest.raises(MissingFileError, match=r"expected a file nowhere\.py"):
        build_model("nowhere.py:factory", (1, 28, 28), 10)
    with pytest.raises(MissingFileError, match="no_such_module"):
        build_model("no_such_module:factory", (1, 28, 28), 10)


@pytest.mark.parametrize("name", ["paper", "conv4"])
def test_images_too_small_are_refused(name):
    with pytest.raises(InvalidValueError, match="pixels a side"):
        build_model(name, (1, 6, 6), 10)
