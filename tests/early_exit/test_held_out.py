import pytest
import torch

from imprint.early_exit import drift_scores, head_logits, margins
from imprint.early_exit.calibration import fit_heads
from imprint.early_exit.heads import HEAD_KINDS
from imprint.early_exit.held_out import answer_held_out
from imprint.early_exit.readings import read_layers
from imprint.models import build_model
from imprint.taps import maps_at

LAYERS = ["block1", "block3"]


@pytest.fixture
def model():
    return build_model("conv4", (3, 16, 16), 3).train()


def test_answers_are_those_of_each_head_whatever_the_batches(model):
    images, labels = torch.rand(40, 3, 16, 16), torch.arange(40) % 3
    heads = fit_heads(read_layers(model, LAYERS, [(images, labels)]))
    batches = [(images[:7], labels[:7]), (images[7:], labels[7:])]
    held = answer_held_out(model, LAYERS, heads, batches)
    assert model.training
    assert held.labels.equal(labels)
    with torch.no_grad():
        expected = model.eval()(images).argmax(1) == labels
    for k, layer in enumerate(LAYERS):
        maps = maps_at(model, layer, images)
        assert held.shapes[k] == tuple(maps.shape[1:])
        for kind in HEAD_KINDS:
            logits = head_logits(maps, heads[kind][k])
            own = held.outcomes[kind]
            assert own.full_right.equal(expected)
            assert own.right[k].equal(logits.argmax(1) == labels)
            torch.testing.assert_close(own.margins[k], margins(logits), rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(
                held.drift[kind][k], drift_scores(logits), rtol=1e-3, atol=1e-3
            )
