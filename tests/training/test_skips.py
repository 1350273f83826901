from dataclasses import replace

import pytest
import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError
from imprint.training import TrainSettings
from imprint.training.skips import build_gate, build_plan

SHAPE = (1, 4, 4)
LABELS = torch.arange(2000) % 3


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))


def test_a_plain_run_has_neither():
    settings = TrainSettings(model="mine.py:build", layer="0")
    assert build_plan(settings, LABELS[:1000]) is None
    assert build_gate(settings, network(), SHAPE, 3) is None


def test_a_plan_reads_a_layer_and_lets_every_row_pass():
    settings = TrainSettings(model="mine.py:build", layer="0", skip="imprint", keep=0.3)
    assert build_plan(settings, LABELS[:1000]).count(1) == 256  # 300, down to a full batch
    gate = build_gate(settings, network(), SHAPE, 3)
    assert (gate.keep, gate.rule.scorer) == (1.0, None)
    assert gate.memory.reading == "text"


def test_a_gate_has_the_settings_rule_and_reading():
    settings = TrainSettings(model="mine.py:build", layer="0", skip="paper")
    assert build_plan(settings, LABELS[:1000]) is None
    gate = build_gate(settings, network(), SHAPE, 3)
    assert (gate.rule.exact, gate.memory.reading) == (False, "formula")
    settings = TrainSettings(model="mine.py:build", layer="0", skip="imprint", tier="gate")
    assert build_gate(settings, network(), SHAPE, 3).rule.scorer == "probe"


@pytest.mark.parametrize("skip", ["imprint", "orderdp"])
def test_steps_that_shrink_need_no_full_batches(skip):
    settings = TrainSettings(skip=skip, keep=0.01, batch_size=128, batch_shrink=1.0)
    assert build_plan(settings, LABELS).count(1) == 20
    with pytest.raises(InvalidValueError, match="batch_size"):
        build_plan(replace(settings, skip="imprint", batch_shrink=0.0), LABELS)


class Branch(nn.Module):
    """The convolution stands in a branch: data pass around it."""

    def __init__(self):
        super().__init__()
        self.conv, self.idle, self.head = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1), nn.Linear(16, 3)

    def forward(self, images):
        return self.head((images + self.conv(images)).flatten(1))


def test_beside_a_plan_any_layer_that_runs_may_be_read():
    settings = TrainSettings(model="mine.py:build", layer="conv", skip="imprint")
    gate = build_gate(settings, model := Branch(), SHAPE, 3)
    with gate(labels := torch.tensor([0, 1, 2])):
        assert len(model(torch.rand(3, *SHAPE))) == 3
    assert torch.equal(gate.labels, labels)
    with pytest.raises(LayerError, match=r"'conv'.*would do: head"):
        build_gate(replace(settings, tier="gate"), model, SHAPE, 3)
    with pytest.raises(LayerError, match="'idle': did not run"):
        build_gate(replace(settings, layer="idle"), model, SHAPE, 3)


def test_what_is_missing_is_told():
    with pytest.raises(LayerError, match="expected --layer, one of the model's such as 0, 1, 2"):
        build_gate(TrainSettings(model="mine.py:build", skip="cosine"), network(), SHAPE, 3)
    planned = TrainSettings(model="mine.py:build", skip="imprint", keep=0.5)
    assert build_gate(planned, network(), SHAPE, 3) is None
    with pytest.raises(InvalidValueError, match=r"batch_size: expected 1 … 200, .* got 256"):
        build_plan(planned, LABELS[:400])
