import pytest
import torch

from imprint.benchmarking.exit_choice import choose_fastest
from imprint.early_exit import Costs, Outcomes

SURE = torch.arange(300.0)[None]
RIGHT = torch.ones(1, 300, dtype=torch.bool)


def costs(head):
    return Costs(torch.tensor([1.0]), torch.tensor([head]), 4.0)


@pytest.mark.parametrize("priced", [True, False])
def test_what_is_always_right_answers_all(priced):
    found = choose_fastest(Outcomes(SURE, RIGHT, RIGHT[0]), costs(0.1), 0.005, priced=priced)
    assert found.step.seconds == pytest.approx(1.1)
    assert found.step.tally == (0, 0, 300)


@pytest.mark.parametrize("priced", [True, False])
@pytest.mark.parametrize(("right", "head"), [(~RIGHT, 0.1), (RIGHT, 9.0)])
def test_what_saves_nothing_within_the_limit_is_told(right, head, priced):
    found = choose_fastest(Outcomes(SURE, right, RIGHT[0]), costs(head), 0.0, priced=priced)
    assert found.step is None


def test_the_limit_is_kept_on_the_images_that_tune():
    right = SURE >= 100
    found = choose_fastest(Outcomes(SURE, right, RIGHT[0]), costs(0.1), 0.05, priced=True)
    assert 0 <= found.step.tally.extra_error <= 0.05
    assert found.step.thresholds.item() >= 85


def test_a_network_that_gives_nan_answers_nothing_early():
    sure = torch.full((1, 300), torch.nan)
    found = choose_fastest(Outcomes(sure, ~RIGHT, ~RIGHT[0]), costs(0.1), 0.0, priced=False)
    assert found.step is None
