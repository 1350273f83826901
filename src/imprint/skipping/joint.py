"""One choice for all ranks: which rows of the joint batch stay, and which of those are here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.ranks import Ranks
from imprint.skipping.rules import FEWEST, Evidence, Rule
from imprint.types import Match

__all__ = ["Kept", "agree", "choose", "select_jointly", "shares"]


class Kept(NamedTuple):
    """The rows that stay.

    Attributes:
        here: `(M,)`, int64, ascending: places in this rank's batch.
        total: how many stay on all ranks together.
    """

    here: Tensor
    total: int


def agree(rows: int, held: dict[str, float], *, ranks: Ranks, device: torch.device) -> list[int]:
    """Tell each other how many rows each rank has, and that all hold the same besides.

    Args:
        rows: this rank's, at least 0.
        held: numbers by name that must be the same on each rank.
        ranks: who is asked.
        device: one that the ranks' backend serves.

    Returns:
        The rows of each rank.

    Raises:
        InvalidValueError: where a number differs between ranks; each rank raises it.

    Examples:
        >>> agree(8, {"keep": 0.5}, ranks=Ranks(), device=torch.device("cpu"))
        [8]
    """
    mine = torch.tensor([[rows, *held.values()]], dtype=torch.float64, device=device)
    table = ranks.gather_rows(mine, [1] * ranks.size)
    for name, column in zip(held, table.T[1:].tolist(), strict=True):
        if len(set(column)) > 1:
            raise InvalidValueError(f"{name}: expected the same on each rank, got {column}")
    return [int(count) for count in table[:, 0]]


def choose(rule: Rule, evidence: Evidence, rows: Sequence[int], *, ranks: Ranks) -> Kept:
    """Choose this rank's rows: those that stay of the joint batch.

    Each rank gathers what is known of every row, a few numbers each, and makes the same choice.

    Args:
        rule: how to choose.
        evidence: of this rank's rows, but for `count`, which is of the joint batch; the generator
            is in the same state on each rank.
        rows: how many each rank has.
        ranks: who chooses.

    Returns:
        This rank's part of the choice.

    Examples:
        >>> from imprint.skipping.rules import find_rule
        >>> match = Match(torch.tensor([0.9, 0.1, 0.5]), torch.zeros(3), torch.zeros(3).bool())
        >>> evidence = Evidence(match, None, 2, torch.Generator())
        >>> choose(find_rule("cosine"), evidence, [3], ranks=Ranks())
        Kept(here=tensor([1, 2]), total=2)
    """
    if ranks.size == 1:
        kept = rule.select(evidence)
        return Kept(kept, len(kept))
    kept = select_jointly(rule, _gather(evidence, rows, ranks), rows)
    start = sum(rows[: ranks.rank])
    own = (kept >= start) & (kept < start + rows[ranks.rank])
    return Kept(kept[own] - start, len(kept))


def select_jointly(rule: Rule, evidence: Evidence, rows: Sequence[int]) -> Tensor:
    """Choose rows of the joint batch so that no rank is left with too few to train on.

    Where the rule leaves a rank fewer than 2 rows, it chooses that many among this rank's own; a
    rule that keeps an exact count then lets go of as many where most stayed.

    Args:
        rule: how to choose.
        evidence: of the joint batch.
        rows: how many of its rows each rank has, in their order.

    Returns:
        `(M,)`, int64, ascending: places in the joint batch.

    Examples:
        >>> from imprint.skipping.rules import find_rule
        >>> familiarity = torch.tensor([0.1, 0.2, 0.3, 0.8, 0.7, 0.9])
        >>> match = Match(familiarity, torch.zeros(6), torch.zeros(6).bool())
        >>> evidence = Evidence(match, None, 3, torch.Generator())
        >>> select_jointly(find_rule("cosine"), evidence, [6])
        tensor([0, 1, 2])
        >>> select_jointly(find_rule("cosine"), evidence, [3, 3])  # 2 at least on each rank
        tensor([0, 1, 3, 4])
    """
    kept = rule.select(evidence)
    rank_of = torch.repeat_interleave(torch.tensor(rows, device=kept.device))
    counts = rank_of[kept].bincount(minlength=len(rows)).tolist()
    wanted = shares(counts, rows, exact=rule.exact)
    if wanted == counts:
        return kept
    places = torch.split(torch.arange(len(rank_of), device=kept.device), list(rows))
    parts = []
    for part, own, count in zip(torch.split(kept, counts), places, wanted, strict=True):
        among = part if count < len(part) else own
        parts.append(part if count == len(part) else _select_among(rule, evidence, among, count))
    return torch.cat(parts)


def shares(kept: Sequence[int], rows: Sequence[int], *, exact: bool) -> list[int]:
    """Say how many rows each rank keeps, so that none has too few to train on.

    Args:
        kept: how many a rule would keep on each rank.
        rows: how many each rank has.
        exact: whether their sum is to stay as it is, where it can.

    Returns:
        At least 2 for each rank that has as many, else all that it has.

    Examples:
        >>> shares([5, 0, 3], [8, 8, 8], exact=True)
        [3, 2, 3]
        >>> shares([5, 0, 3], [8, 8, 1], exact=False)
        [5, 2, 3]
    """
    least = [min(FEWEST, count) for count in rows]
    wanted = [max(pair) for pair in zip(kept, least, strict=True)]
    while exact and sum(wanted) > max(sum(kept), sum(least)):
        spare = [have - need for have, need in zip(wanted, least, strict=True)]
        wanted[spare.index(max(spare))] -= 1
    return wanted


def _select_among(rule: Rule, evidence: Evidence, among: Tensor, count: int) -> Tensor:
    """Let a rule choose `count` of some rows alone."""
    losses = None if evidence.scores is None else evidence.scores[among]
    match = Match(*(column[among] for column in evidence.match))
    return among[rule.select(replace(evidence, match=match, scores=losses, count=count))]


def _gather(evidence: Evidence, rows: Sequence[int], ranks: Ranks) -> Evidence:
    """The evidence of all ranks' rows: float64 holds each of its numbers exactly."""
    losses = [] if evidence.scores is None else [evidence.scores]
    columns = [*evidence.match, *losses]
    table = ranks.gather_rows(torch.stack([c.double() for c in columns], 1), rows)
    joint = [part.to(c.dtype) for part, c in zip(table.T, columns, strict=True)]
    return replace(evidence, match=Match(*joint[:3]), scores=joint[3] if losses else None)
