"""What the report says of a run on maps."""

import pytest

from imprint.report import accuracies_on_maps
from imprint.report.training_on_maps import maps_sentence

ABOUT = {
    "on_maps": "runs/a", "maps_layer": "conv1", "form": "energy", "init": "fresh",
    "maps_shape": [1, 6, 7], "maps_images": 1234, "normalised": True,
    "maps_negative": 0.25, "maps_zero": 0.5,
}  # fmt: skip


def test_the_base_comes_first_and_each_run_after_it():
    result = {"base_test_accuracy": 0.9, "base_test_maps_accuracy": 0.4}
    runs = {
        "plain": {"test_accuracy": 0.8, "test_maps_accuracy": 0.7},
        "imprint": {"test_accuracy": 0.6, "test_maps_accuracy": 0.5},
    }
    rows = accuracies_on_maps(runs, result)
    assert [tuple(row) for row in rows] == [
        ("base", 0.9, 0.4), ("on maps, plain", 0.8, 0.7), ("on maps, imprint", 0.6, 0.5),
    ]  # fmt: skip
    assert accuracies_on_maps(runs, {}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "1,234 maps of conv1 before its activation, of runs/a"),
        ({"maps_activation": "relu"}, "after its activation (relu)"),
        (
            {},
            "absolute values, 6 by 7 pixels, brought to mean 0 and deviation 1; from fresh weights",
        ),
        ({"normalised": False, "init": "base"}, "as they are; from the base's weights"),
        ({}, "25.0% of their values are negative, 50.0% zero"),
    ],
)
def test_it_says_which_maps(change, words):
    assert words in maps_sentence(ABOUT | change)
