"""Skip rules: pure functions from what is known of a batch to the rows that stay.

To add one, write a function from `Evidence` to kept rows and enter it in `RULES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.types import Match

__all__ = ["RULES", "Evidence", "Rule", "draw", "find_rule", "hardest", "kept_count"]

FEWEST = 2
"""Rows that always stay, where there are as many: batch norm cannot train on one."""

TINY, HUGE = 1e-300, 1e300
"""Stand for 0 and infinity where a logarithm is taken."""


@dataclass(frozen=True)
class Evidence:
    """What a rule may decide on; each tensor has a row a sample of the batch.

    Args:
        match: familiarity, nearest class and hit, from the class memory.
        scores: `(N,)`, what the rule's scorer says of each row, higher for one more worth keeping;
            None for a rule without one.
        count: how many rows are to stay, k.
        generator: where a rule draws its random numbers from.
    """

    match: Match
    scores: Tensor | None
    count: int
    generator: torch.Generator


@dataclass(frozen=True)
class Rule:
    """A named way to choose the rows that stay.

    Args:
        select: from the evidence to the kept rows, `(M,)`, int64, ascending.
        scorer: what is to be trained alongside: `probe`, a linear one, whose scores are losses in
            nats; `density`, of signatures; or None.
        exact: whether it keeps exactly k rows; if not, how many is for the rule to say.
        remember: whether the memory takes the signatures from before or after the batch's step.
    """

    select: Callable[[Evidence], Tensor]
    scorer: str | None = None
    exact: bool = True
    remember: str = "before"


def kept_count(rows: int, keep: float) -> int:
    """Say how many of a batch's rows stay.

    Args:
        rows: N, the batch's rows.
        keep: the keep ratio, in (0, 1].

    Returns:
        `keep·N`, rounded, yet at least 2 where there are as many.

    Examples:
        >>> kept_count(256, 0.35), kept_count(8, 0.01), kept_count(1, 0.5)
        (90, 2, 1)
    """
    return min(rows, max(FEWEST, round(keep * rows)))


def hardest(scores: Tensor, count: int) -> Tensor:
    """Keep the rows of the highest scores; a score that is not a number counts as highest.

    Args:
        scores: `(N,)`, floats.
        count: k, in 1 … N.

    Returns:
        `(k,)`, int64, ascending.

    Examples:
        >>> hardest(torch.tensor([0.1, 5.0, torch.nan, 0.3]), 2)
        tensor([1, 2])
    """
    return scores.nan_to_num(nan=torch.inf).topk(count).indices.sort().values


def _keep_misses(evidence: Evidence) -> Tensor:
    """The paper's rule (section 5.2): hits leave. The least familiar stay when nearly all are."""
    missed = ~evidence.match.hit
    kept = missed.nonzero()[:, 0]
    fewest = min(FEWEST, len(missed))
    return kept if len(kept) >= fewest else hardest(-evidence.match.familiarity, fewest)


def draw(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw rows without replacement, each with a chance proportional to its weight.

    Args:
        weights: `(N,)`, floats of at least 0; a weight that is not a number is drawn first.
        count: k, in 1 … N.
        generator: on the CPU, whatever the weights' device.

    Returns:
        `(k,)`, int64, ascending.

    Source: the Gumbel top-k trick (Kool, van Hoof & Welling 2019).

    Examples:
        >>> draw(torch.tensor([1.0, 0.0, 0.0, 2.0]), 2, torch.Generator())
        tensor([0, 3])
    """
    uniform = torch.rand(len(weights), generator=generator, dtype=torch.float64)
    gumbel = -(-uniform.clamp_min(TINY).log()).log()
    scores = weights.cpu().double().clamp(TINY, HUGE).log() + gumbel  # not every GPU has float64
    return hardest(scores, count).to(weights.device)


def _draw_by_probe_loss(evidence: Evidence) -> Tensor:
    """Ours: what a linear probe of the signature is wrong, or unsure, about stays more often.

    A draw, and by the loss's square root: with the hardest rows alone, easy classes starve.
    """
    return draw(_scores(evidence).sqrt(), evidence.count, evidence.generator)


def _keep_rarest(evidence: Evidence) -> Tensor:
    """Partial Forward Blocking: what lies where signatures are few stays."""
    return hardest(_scores(evidence), evidence.count)


def _scores(evidence: Evidence) -> Tensor:
    if evidence.scores is None:
        raise InvalidValueError("scores: expected those of the rule's scorer, got None")
    return evidence.scores


def _keep_least_familiar(evidence: Evidence) -> Tensor:
    """What is least similar to the prototype of its own class stays."""
    return hardest(-evidence.match.familiarity, evidence.count)


def _keep_random(evidence: Evidence) -> Tensor:
    """The control: as many rows, drawn by chance."""
    hit = evidence.match.hit
    order = torch.randperm(len(hit), generator=evidence.generator)
    return order[: evidence.count].sort().values.to(hit.device)


RULES: dict[str, Rule] = {
    "imprint": Rule(_draw_by_probe_loss, scorer="probe"),
    "paper": Rule(_keep_misses, exact=False, remember="after"),
    "cosine": Rule(_keep_least_familiar),
    "random": Rule(_keep_random),
    "partial-forward-blocking": Rule(_keep_rarest, scorer="density"),
}


def find_rule(name: str) -> Rule:
    """Find a rule by its name.

    Args:
        name: a key of `RULES`.

    Returns:
        The rule.

    Raises:
        InvalidValueError: where there is none.

    Examples:
        >>> find_rule("random").exact
        True
    """
    if name not in RULES:
        raise InvalidValueError(f"rule: expected one of {', '.join(RULES)}, got {name!r}")
    return RULES[name]
