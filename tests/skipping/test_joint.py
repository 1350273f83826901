import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.ranks import Ranks
from imprint.skipping import RULES
from imprint.skipping.joint import agree, choose, select_jointly, shares
from imprint.skipping.rules import Evidence, kept_count
from imprint.types import Match

ROWS = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def evidence(rows, keep, seed=0, familiar=0):
    """Random evidence; the first `familiar` rows are hits, and the most familiar."""
    generator = torch.Generator().manual_seed(seed)
    familiarity = torch.rand(rows, generator=generator) - (torch.arange(rows) >= familiar) * 1.0
    match = Match(familiarity, torch.zeros(rows, dtype=torch.int64), familiarity >= 0)
    losses = torch.rand(rows, generator=generator)
    count = kept_count(rows, keep)
    return Evidence(match, losses, count, torch.Generator().manual_seed(seed))


@given(rows=ROWS, data=st.data(), exact=st.booleans())
def test_shares_leave_each_rank_two_rows_and_the_sum_as_it_is_where_it_can_be(rows, data, exact):
    kept = [data.draw(st.integers(0, count)) for count in rows]
    wanted = shares(kept, rows, exact=exact)
    least = [min(2, count) for count in rows]
    for want, need, have, count in zip(wanted, least, kept, rows, strict=True):
        assert need <= want <= count
        assert want == need or want <= have
        assert exact or want == max(have, need)
    if exact:
        assert sum(wanted) == max(sum(kept), sum(least))


def test_who_has_most_to_spare_gives():
    assert shares([7, 6, 0, 1], [9, 9, 9, 9], exact=True) == [5, 5, 2, 2]


@pytest.mark.parametrize("rule", RULES)
@given(rows=ROWS, keep=st.floats(0.01, 1), seed=st.integers(0, 20), data=st.data())
def test_a_joint_choice_gives_each_rank_its_share(rule, rows, keep, seed, data):
    total = sum(rows)
    familiar = data.draw(st.integers(0, total))
    given_all = evidence(total, keep, seed, familiar)
    kept = select_jointly(RULES[rule], given_all, rows)
    assert kept.tolist() == sorted(set(kept.tolist()))
    ranks = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(rows))
    counts = ranks[kept].bincount(minlength=len(rows)).tolist()
    least = [min(2, count) for count in rows]
    assert all(count >= need for count, need in zip(counts, least, strict=True))
    if RULES[rule].exact:
        assert len(kept) == max(given_all.count, sum(least))
    alone = RULES[rule].select(evidence(total, keep, seed, familiar))
    wanted = ranks[alone].bincount(minlength=len(rows)).tolist()
    for rank, (count, before) in enumerate(zip(counts, wanted, strict=True)):
        if count <= before:  # who is not short keeps, of what one process would, all or a part
            assert set(kept[ranks[kept] == rank].tolist()) <= set(alone.tolist())
    if all(count >= need for count, need in zip(wanted, least, strict=True)):
        assert torch.equal(kept, alone)  # no rank was short: as in one process


def test_a_rank_that_is_short_keeps_what_the_rule_likes_best_there():
    given_all = evidence(12, 0.5, familiar=6)  # the first rank knows all of its rows
    familiarity = given_all.match.familiarity
    strangest = familiarity[:6].argsort()[:2].sort().values.tolist()
    assert select_jointly(RULES["paper"], given_all, [6, 6]).tolist() == [*strangest, *range(6, 12)]
    stays = (familiarity[6:].argsort()[:4] + 6).sort().values.tolist()
    assert select_jointly(RULES["cosine"], given_all, [6, 6]).tolist() == [*strangest, *stays]


@pytest.mark.parametrize("rule", RULES)
def test_one_process_chooses_as_its_rule_does(rule):
    kept = choose(RULES[rule], evidence(9, 0.4), [9], ranks=Ranks())
    expected = RULES[rule].select(evidence(9, 0.4))
    assert torch.equal(kept.here, expected)
    assert kept.total == len(expected)


def test_one_process_agrees_with_itself():
    held = {"keep": 0.5, "undefined": float("inf")}
    assert agree(0, held, ranks=Ranks(), device=torch.device("cpu")) == [0]
