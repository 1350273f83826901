import numpy as np
import pytest
import torch

from imprint.early_exit.routes import (
    Costs,
    expected_seconds,
    first_exits,
    tally_of,
)

from .conftest import drawn


def test_first_exits_and_tally_as_a_loop_would_have_them():
    outcomes, thresholds = drawn(), torch.tensor([4.0, 3.5, 2.0])
    exits = first_exits(outcomes.margins, thresholds)
    harms = gains = 0
    for sample in range(400):
        sure = [k for k in range(3) if outcomes.margins[k, sample] >= thresholds[k]]
        expected = sure[0] if sure else 3
        assert exits[sample] == expected
        early = outcomes.right[expected, sample] if sure else outcomes.full_right[sample]
        harms += int(outcomes.full_right[sample] and not early)
        gains += int(early and not outcomes.full_right[sample])
    assert tally_of(outcomes, exits) == (harms, gains, 400)


def test_seconds_as_a_loop_would_have_them():
    costs = Costs(torch.tensor([1.0, 2.0]), torch.tensor([0.25, 0.5]), 5.0)
    exits = torch.tensor([0, 1, 2, 2])
    paid = [1.25, 2.75, 5.75, 5.75]
    assert expected_seconds(exits, costs) == pytest.approx(np.mean(paid))


def test_seconds_of_batches_as_a_loop_would_have_them():
    """A stretch's fixed seconds are paid by every batch of which a sample comes so far."""
    fixed, rows = np.array([0.5, 0.25, 2.0]), np.array([0.5, 0.75, 1.0])
    ends = torch.from_numpy((fixed + rows).cumsum()).float()
    costs = Costs(
        ends[:2], torch.tensor([0.25, 0.5]), float(ends[2]),
        torch.from_numpy(fixed.cumsum()).float(), 4,
    )  # fmt: skip
    generator = np.random.default_rng(0)
    exits = generator.choice(3, 40_000, p=[0.6, 0.3, 0.1])
    paid = 0.0
    for batch in exits.reshape(-1, 4):
        for stretch in range(3):
            coming = (batch >= stretch).sum()
            paid += 4 * fixed[stretch] * (coming > 0) + rows[stretch] * coming
        paid += 0.25 * 4 + 0.5 * (batch >= 1).sum()
    predicted = expected_seconds(torch.from_numpy(exits), costs)
    assert predicted == pytest.approx(paid / len(exits), rel=0.01)
