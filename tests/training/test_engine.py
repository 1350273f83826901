import warnings

import pytest
import torch

from imprint.training import TrainSettings
from imprint.training.engine import build_fabric


def built(monkeypatch, able, precision):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: able)
    return build_fabric(TrainSettings(device="cpu", precision=precision))


def test_bfloat16_on_a_processor_without_it_is_told(monkeypatch):
    with pytest.warns(UserWarning, match=r"precision: expected 32 .*\(AVX2\), got bf16"):
        built(monkeypatch, "AVX2", "bf16")


@pytest.mark.parametrize(("able", "precision"), [("AVX512", "bf16"), ("AVX2", "32")])
def test_all_else_is_not(monkeypatch, able, precision):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert built(monkeypatch, able, precision).device.type == "cpu"
