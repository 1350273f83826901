import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.errors import InvalidValueError
from imprint.skipping import RULES
from imprint.skipping.rules import Evidence, draw, find_rule, hardest, kept_count
from imprint.types import Match


def evidence(familiarity, hit, count, losses=None):
    nearest = torch.zeros(len(familiarity), dtype=torch.int64)
    match = Match(torch.tensor(familiarity), nearest, torch.tensor(hit))
    losses = None if losses is None else torch.tensor(losses)
    return Evidence(match, losses, count, torch.Generator().manual_seed(0))


def test_paper_keeps_all_misses():
    kept = RULES["paper"].select(evidence([0.9, 0.2, 0.8, 0.1], [True, False, True, False], 1))
    assert kept.tolist() == [1, 3]


def test_paper_never_empties_a_batch():
    kept = RULES["paper"].select(evidence([0.9, 0.2, 0.8], [True, True, True], 1))
    assert kept.tolist() == [1, 2]


def test_imprint_draws_by_the_square_root_of_the_probes_loss():
    losses = [4.0, 1.0, 0.0]
    given_all = evidence([0.0] * 3, [True] * 3, 1, losses=losses)
    drawn = torch.cat([RULES["imprint"].select(given_all) for _ in range(6000)]).bincount()
    assert drawn[:2].double().div(6000).tolist() == pytest.approx([2 / 3, 1 / 3], abs=0.03)
    assert len(drawn) == 2  # what the probe is sure of stays away
    with pytest.raises(InvalidValueError, match="scores: expected"):
        RULES["imprint"].select(evidence([0.0], [True], 1))


@given(weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=12), data=st.data())
def test_draw_gives_k_rows_in_order_and_takes_weights_before_nothing(weights, data):
    count = data.draw(st.integers(1, len(weights)))
    kept = draw(torch.tensor(weights), count, torch.Generator().manual_seed(1)).tolist()
    assert kept == sorted(set(kept))
    assert len(kept) == count
    heavy = {row for row, weight in enumerate(weights) if weight > 1e-30}
    assert len(heavy & set(kept)) == min(count, len(heavy))


def test_draw_follows_plackett_and_luce_for_pairs():
    weights = torch.tensor([0.5, 0.3, 0.2])
    generator = torch.Generator().manual_seed(0)
    pairs = [tuple(draw(weights, 2, generator).tolist()) for _ in range(6000)]
    both = 0.5 * 0.3 / 0.5 + 0.3 * 0.5 / 0.7  # 0 then 1, or 1 then 0
    assert pairs.count((0, 1)) / 6000 == pytest.approx(both, abs=0.02)


def test_cosine_keeps_the_least_familiar():
    kept = RULES["cosine"].select(evidence([0.9, -0.2, 0.5], [False] * 3, 2))
    assert kept.tolist() == [1, 2]


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.exact])
@given(n=st.integers(1, 30), data=st.data())
def test_exact_rules_keep_exactly_k_rows_in_order(name, n, data):
    count = data.draw(st.integers(1, n))
    values = data.draw(st.lists(st.floats(-1, 1), min_size=n, max_size=n))
    kept = RULES[name].select(evidence(values, [False] * n, count, losses=values)).tolist()
    assert len(kept) == count
    assert kept == sorted(set(kept))
    assert 0 <= kept[0] <= kept[-1] < n


def test_random_depends_on_its_generator_alone():
    first = RULES["random"].select(evidence([0.0] * 50, [False] * 50, 20))
    torch.rand(5)
    assert torch.equal(RULES["random"].select(evidence([0.0] * 50, [False] * 50, 20)), first)


def test_a_score_that_is_no_number_stays():
    assert hardest(torch.tensor([torch.nan, 9.0, 1.0]), 1).tolist() == [0]


@given(rows=st.integers(1, 5000), keep=st.floats(0.001, 1))
def test_kept_count_is_the_share_and_never_nothing(rows, keep):
    count = kept_count(rows, keep)
    assert 1 <= count <= rows
    assert abs(count - keep * rows) <= 0.5 or count == min(2, rows)


def test_an_unknown_rule_is_named():
    with pytest.raises(
        InvalidValueError,
        match="imprint, paper, cosine, random, partial-forward-blocking, got 'magic'",
    ):
        find_rule("magic")
