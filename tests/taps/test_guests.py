import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

from imprint.early_exit import EarlyExit, Exit, Head
from imprint.early_exit.exits import early_exits
from imprint.errors import InvalidValueError, LayerError
from imprint.skipping import SkipGate
from imprint.taps import Tap, held

IMAGES = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()


@pytest.fixture(params=["exits", "gate"])
def opened(request):
    """A block in which rows may leave a network."""
    model = network()
    if request.param == "gate":
        gate = SkipGate(model, layer="1", num_classes=2)
        return model, lambda: gate(torch.tensor([0, 1]))
    exit_ = Exit("1", (4,), Head(torch.ones(2, 8), torch.zeros(2)), torch.inf)
    return model, lambda: early_exits(model, [exit_])


def test_a_model_is_not_copied_while_rows_may_leave_it(opened):
    model, block = opened
    with block():
        with pytest.raises(LayerError, match=r"model: expected one without .*open .* to copy"):
            copy.deepcopy(model)
        model(IMAGES)
    assert copy.deepcopy(model)(IMAGES).equal(model(IMAGES))


def test_nor_is_what_holds_the_model_or_a_part_of_it():
    whole = nn.Sequential(nn.Sequential(network(), nn.ReLU()), nn.Identity())
    with held(whole[0], "open exits"):
        for part in (whole, whole[0][0], whole[0][0][1]):
            with pytest.raises(LayerError, match="open exits to copy"):
                copy.deepcopy(part)
        with pytest.raises(LayerError, match="open exits to pickle"):
            pickle.dumps(whole[0][1])
        copy.deepcopy(whole[1])
    assert not any("imprint_holder" in part.__dict__ for part in whole.modules())
    pickle.dumps(copy.deepcopy(whole))


def test_a_holder_within_another_leaves_that_one():
    whole = nn.Sequential(network())
    with held(whole, "an open gate"):
        with held(whole[0], "an open gate", beside="an open gate"):
            pass
        with pytest.raises(LayerError, match="an open gate"):
            copy.deepcopy(whole[0])


def test_weights_can_be_kept_while_rows_may_leave(opened):
    model, block = opened
    with block():
        state = copy.deepcopy(model.state_dict())
        model(IMAGES)
    assert state.keys() == model.state_dict().keys()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("make", [torch.jit.script, lambda own: torch.jit.trace(own, IMAGES)])
def test_models_of_torch_jit_are_told(make):
    model = make(network())
    expected = "model: expected an nn.Module that takes hooks, got one scripted or traced"
    with pytest.raises(InvalidValueError, match=expected):
        SkipGate(model, layer="1", num_classes=2)
    with pytest.raises(InvalidValueError, match=expected):
        EarlyExit.calibrate(model, fit_on=[], promise_on=[])
    with pytest.raises(InvalidValueError, match=expected):
        Tap(model, "1")


def test_a_scripted_part_leaves_the_others_readable():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        part = torch.jit.script(nn.ReLU())
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), part, nn.Linear(4, 2)).eval()
    with SkipGate(model, layer="1", num_classes=2)(torch.tensor([0, 1])), Tap(model, "3") as tap:
        model(IMAGES)
    assert len(tap.maps) <= 2
    with pytest.raises(InvalidValueError, match="scripted or traced"):
        Tap(model, "2")


def test_data_parallel_copies_are_told_and_one_alone_runs():
    model = nn.DataParallel(network())
    with SkipGate(model, layer="module.1", num_classes=2)(torch.tensor([0, 1])):
        model(IMAGES)
    model.device_ids = [0, 1]
    with pytest.raises(InvalidValueError, match="take DistributedDataParallel"):
        SkipGate(model, layer="module.1", num_classes=2)
