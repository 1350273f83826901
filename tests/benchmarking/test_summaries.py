import math

import pytest

from imprint.benchmarking.summaries import summarise


def row(method, seed, accuracy, seconds, keep=None):
    return {
        "method": method,
        "keep": keep,
        "seed": seed,
        "accuracy": accuracy,
        "worst_class": accuracy - 0.1,
        "seconds": seconds,
    }


def test_a_method_is_held_to_plain_training_of_the_same_seed():
    rows = [
        *(row("plain", 0, 0.90, 10.0), row("plain", 1, 0.80, 20.0)),
        *(row("fast", 0, 0.91, 5.0, 0.5), row("fast", 1, 0.81, 10.0, 0.5)),
    ]
    plain, fast = summarise(rows)
    assert (plain["time_saved"], plain["accuracy_difference"]) == (0, 0)
    assert fast["time_saved"] == 0.5
    assert fast["accuracy_difference_low"] == pytest.approx(0.01)  # the seeds' own spread is gone
    assert fast["accuracy_difference_high"] == pytest.approx(0.01)
    assert fast["worst_class_mean"] == pytest.approx(0.76)
    assert (fast["keep"], fast["seeds"]) == (0.5, 2)


def test_a_method_is_held_to_its_controls_of_the_same_keep_ratio():
    rows = [
        *(row("plain", seed, 0.9, 10.0) for seed in (0, 1)),
        *(row("random", seed, 0.8 + 0.1 * seed, 5.0, 0.5) for seed in (0, 1)),
        *(row("ours", seed, 0.82 + 0.1 * seed, 5.0, 0.5) for seed in (0, 1)),
        row("ours", 0, 0.7, 3.0, 0.3),
    ]
    _, control, ours, sharper = summarise(rows)
    assert ours["to_random"] == pytest.approx(0.02)
    assert ours["to_random_high"] == pytest.approx(0.02)
    assert math.isnan(ours["to_matched"])
    assert math.isnan(control["to_random"])
    assert math.isnan(sharper["to_random"])  # no control at that keep ratio
