"""What was found of each sample."""

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.exploration.rows import Rows
from imprint.exploring import LabelIssues, equal_groups, joined_groups

__all__ = ["Samples", "samples_of"]

OUTLYING = 0.5
"""Score above which a sample is an outlier: Tukey's fence."""


@dataclass(frozen=True)
class Samples:
    """What was found of each sample, in the order of the rows.

    Attributes:
        outlier_score: `(N,)`, in [0, 1].
        is_outlier: `(N,)`, bool.
        duplicate_group: `(N,)`, int64; -1 for none.
        near_duplicate_group: `(N,)`, int64; -1 for none.
        is_leak: `(N,)`, bool: whether another part has it too, or nearly.
        is_conflict: `(N,)`, bool: whether an equal or nearly equal image has another label.
        conflicting_groups: how many groups these are in.
        is_contradicted: `(N,)`, bool: whether it is an outlier of its class and most similar to
            another class's prototype; known of the first part.
        label_issue_score: `(N,)`, in [0, 1]; None where labels were not looked at.
        is_label_issue: `(N,)`, bool; likewise, and where the judge is too weak.
        suggested_label: `(N,)`, int64; likewise.
    """

    outlier_score: Tensor
    is_outlier: Tensor
    duplicate_group: Tensor
    near_duplicate_group: Tensor
    is_leak: Tensor
    is_conflict: Tensor
    conflicting_groups: int
    is_contradicted: Tensor
    label_issue_score: Tensor | None = None
    is_label_issue: Tensor | None = None
    suggested_label: Tensor | None = None


def samples_of(
    rows: Rows,
    *,
    scores: Tensor,
    digests: Tensor,
    pairs: Tensor,
    prototypes: Tensor,
    issues: LabelIssues | None,
    reliable: bool = True,
) -> Samples:
    """Put together what was found of each sample.

    Args:
        rows: of all parts.
        scores: `(N,)`, how far out each lies.
        digests: `(N,)`, int64.
        pairs: `(P, 2)`, near duplicates.
        prototypes: `(M,)`, int64, of the first part: whose prototype each is most similar to.
        issues: of the labels, or None.
        reliable: whether its decisions count; scores and suggestions are kept either way.

    Returns:
        The samples.

    Examples:
        >>> from imprint.exploration.rows import parts_of
        >>> from imprint.types import ImageSet
        >>> images = ImageSet(torch.zeros(2, 1, 4, 4).byte(), torch.tensor([0, 0]), ("a",))
        >>> found = samples_of(
        ...     Rows(parts_of(images)),
        ...     scores=torch.tensor([0.2, 0.9]),
        ...     digests=torch.tensor([7, 7]),
        ...     pairs=torch.empty(0, 2, dtype=torch.int64),
        ...     prototypes=torch.tensor([0, 0]),
        ...     issues=None,
        ... )
        >>> found.duplicate_group, found.is_outlier
        (tensor([0, 0]), tensor([False,  True]))
    """
    equal = equal_groups(digests)
    joined = joined_groups(torch.cat((pairs, _chains(equal))), len(rows))
    conflict = _differs(joined, rows.labels)
    outlier = scores > OUTLYING
    contradicted = torch.zeros(len(rows), dtype=torch.bool)
    contradicted[: len(prototypes)] = prototypes != rows.labels[: len(prototypes)]
    return Samples(
        outlier_score=scores,
        is_outlier=outlier,
        duplicate_group=equal,
        near_duplicate_group=_not_all_equal(joined, digests),
        conflicting_groups=len(torch.unique(joined[conflict])),
        is_leak=_differs(joined, rows.part),
        is_conflict=conflict,
        is_contradicted=contradicted & outlier,
        label_issue_score=None if issues is None else issues.score,
        is_label_issue=None if issues is None or not reliable else issues.is_issue,
        suggested_label=None if issues is None else issues.suggested,
    )


def _chains(equal: Tensor) -> Tensor:
    """Pairs `(P, 2)` that join each group from sample to sample."""
    members = (equal >= 0).nonzero()[:, 0]
    ordered = members[equal[members].argsort(stable=True)]
    pairs = torch.stack((ordered[:-1], ordered[1:]), 1)
    return pairs[equal[pairs[:, 0]] == equal[pairs[:, 1]]]


def _not_all_equal(group: Tensor, digests: Tensor) -> Tensor:
    """Leave out the groups whose members are all equal: they are duplicates, not near ones."""
    return _numbered_anew(torch.where(_differs(group, digests), group, -1))


def _differs(group: Tensor, values: Tensor) -> Tensor:
    """Whether the members of each sample's group have different values; False for no group."""
    count = int(group.max()) + 1
    low = torch.full((count,), torch.iinfo(torch.int64).max)
    high = torch.full((count,), torch.iinfo(torch.int64).min)
    member = group >= 0
    low.scatter_reduce_(0, group[member], values[member], "amin")
    high.scatter_reduce_(0, group[member], values[member], "amax")
    differs = torch.zeros(len(group), dtype=torch.bool)
    differs[member] = (low != high)[group[member]]
    return differs


def _numbered_anew(group: Tensor) -> Tensor:
    """Number groups without gaps, in their order."""
    kept = torch.unique(group[group >= 0])
    return torch.where(group >= 0, torch.searchsorted(kept, group), -1)
