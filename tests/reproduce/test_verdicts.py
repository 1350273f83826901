import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.reproduce.verdicts import judge_gain, judge_match, judge_statement, spread

TIGHT = [0.0, 0.1, -0.1]  # its interval is ±0.25


def around(middle):
    return [middle + value for value in TIGHT]


@pytest.mark.parametrize(
    ("printed", "ours", "control", "verdict"),
    [
        (2.0, 2.0, None, "holds"),
        (2.0, 5.0, None, "holds"),
        (2.0, 0.5, None, "holds in part"),  # it gains, but less than half
        (2.0, 0.0, None, "does not hold"),
        (2.0, -3.0, None, "does not hold"),
        (-2.0, -2.0, None, "holds"),  # a claimed loss
        (-2.0, 2.0, None, "does not hold"),
        (2.0, 2.0, 0.0, "holds"),
        (2.0, 2.0, 2.0, "holds in part"),  # so does the control
        (2.0, 2.0, 3.0, "holds in part"),
        (-2.0, -2.0, 0.0, "holds"),
        (-2.0, -2.0, -2.5, "holds in part"),
    ],
)
def test_gains_are_judged_by_the_rule(printed, ours, control, verdict):
    other = [] if control is None else [control + 0.5 * value for value in TIGHT]
    assert judge_gain("it gains", printed, around(ours), control=other).verdict == verdict


def test_a_wide_interval_cannot_tell():
    assert judge_gain("it gains", 2.0, [-4.0, 0.0, 6.0]).verdict == "cannot be told"


def test_one_seed_cannot_tell():
    claim = judge_gain("it gains", 2.0, [5.0])
    assert claim.verdict == "cannot be told"
    assert math.isnan(claim.difference[1])


@given(st.floats(0.1, 10), st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.booleans())
def test_a_loss_is_judged_as_the_gain_that_mirrors_it(printed, ours, controlled):
    control = [value / 2 for value in ours] if controlled else []
    gain = judge_gain("", printed, ours, control=control)
    loss = judge_gain("", -printed, [-v for v in ours], control=[-v for v in control])
    assert gain.verdict == loss.verdict


def test_a_claim_says_what_was_printed_and_measured():
    claim = judge_gain("a", 2.4, [1.0, 2.0], control=[0.0, -1.0], control_name="by chance")
    assert (claim.printed, claim.ours) == ("+2.40 points", "+1.50 ± 0.71 points")
    assert claim.control == "by chance: -0.50 ± 0.71"
    assert claim.as_dict()["verdict"] == claim.verdict


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.0, "holds"), (1.09, "holds"), (0.8, "holds in part"), (0.5, "does not hold")],
)
def test_figures_are_met_by_their_distance(factor, verdict):
    printed = [100.0, 300.0]
    claim = judge_match("hits", printed, [[factor * value for value in printed]] * 2)
    assert claim.verdict == verdict
    assert claim.printed == "100 to 300"


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ([True], "holds"),
        ([True, False], "holds in part"),
        ([True, False, False], "does not hold"),
        ([False], "does not hold"),
    ],
)
def test_statements_are_judged_by_the_seeds_that_meet_them(holds, verdict):
    assert judge_statement("a", holds, ours="", because="it is, seeds").verdict == verdict


@pytest.mark.parametrize(
    "judge",
    [
        lambda: judge_gain("", 0.0, [1.0]),
        lambda: judge_gain("", 1.0, []),
        lambda: judge_gain("", 1.0, [1.0, 2.0], control=[1.0]),
        lambda: judge_match("", [1.0, 2.0], [[1.0]]),
        lambda: judge_match("", [], [[]]),
        lambda: judge_statement("", [], ours="", because=""),
    ],
)
def test_what_cannot_be_judged_is_refused(judge):
    with pytest.raises(InvalidValueError, match="expected"):
        judge()


def test_one_value_has_no_deviation():
    assert spread([1.234]) == "1.23"
