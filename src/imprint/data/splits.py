"""A data set's split in two, where its source has none."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.shares import check_share

__all__ = ["drawn_groups", "grouped_split", "stratified_split"]


def stratified_split(
    labels: Tensor, *, test_share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a share of each class to test on; the rest is to train on.

    A class with two samples or more gives at least one to each side; a single sample is trained on.

    Args:
        labels: `(N,)`, int64.
        test_share: of each class, in (0, 1), rounded to whole samples.
        generator: draws the samples.

    Returns:
        the training and the test rows, int64, each ascending, together each row once.

    Raises:
        InvalidValueError: where the share is out of range, or nothing is left to test on.

    Examples:
        >>> labels = torch.tensor([0, 0, 1, 1])
        >>> train, test = stratified_split(
        ...     labels, test_share=0.5, generator=torch.Generator().manual_seed(0)
        ... )
        >>> labels[train], labels[test]
        (tensor([0, 1]), tensor([0, 1]))
    """
    check_share("test_share", test_share)
    shuffled = torch.randperm(len(labels), generator=generator)
    test = torch.zeros(len(labels), dtype=torch.bool)
    for label in torch.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        share = min(max(1, round(test_share * len(rows))), len(rows) - 1)
        test[rows[:share]] = True
    if not test.any():
        got = f"{len(labels)} samples"
        raise InvalidValueError(
            f"labels: expected two samples of some class, got {got}, all single"
        )
    return (~test).nonzero()[:, 0], test.nonzero()[:, 0]


def grouped_split(
    labels: Tensor, groups: Tensor, *, test_share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a share of each class to test on, whole groups at a time.

    So no excerpt of a track is tested on while another of it was trained on. A group counts to the
    class of its first row; a class with two groups or more gives at least one to each side.

    Args:
        labels: `(N,)`, int64.
        groups: `(N,)`, int64, which rows belong together.
        test_share: of each class's groups, in (0, 1), rounded to whole groups.
        generator: draws the groups.

    Returns:
        the training and the test rows, int64, each ascending, together each row once.

    Raises:
        InvalidValueError: as for `stratified_split`, of groups.

    Examples:
        >>> labels, groups = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([4, 4, 7, 5, 6, 6])
        >>> train, test = grouped_split(
        ...     labels, groups, test_share=0.5, generator=torch.Generator().manual_seed(0)
        ... )
        >>> sorted(groups[train].tolist() + groups[test].tolist())
        [4, 4, 5, 6, 6, 7]
        >>> set(groups[train].tolist()) & set(groups[test].tolist())
        set()
    """
    _, places = torch.unique(groups, return_inverse=True)
    count = int(places.max()) + 1 if len(places) else 0
    first = torch.full((count,), len(groups)).scatter_reduce_(
        0, places, torch.arange(len(groups)), "amin"
    )
    _, drawn = stratified_split(labels[first], test_share=test_share, generator=generator)
    test = torch.isin(places, drawn)
    return (~test).nonzero()[:, 0], test.nonzero()[:, 0]


def drawn_groups(count: int, groups: Tensor | None, *, share: float, seed: int) -> Tensor:
    """Draw a share of samples, whole groups at a time, of whatever class.

    Args:
        count: N.
        groups: `(N,)`, int64, which samples belong together, as excerpts of a track; None where
            each stands for itself.
        share: of the groups, in [0, 1], rounded to whole ones.
        seed: that draws them.

    Returns:
        `(N,)`, bool.

    Examples:
        >>> drawn = drawn_groups(6, torch.tensor([7, 7, 4, 4, 5, 5]), share=1 / 3, seed=0)
        >>> int(drawn.sum()), bool((drawn[::2] == drawn[1::2]).all())
        (2, True)
    """
    names, group = torch.unique(torch.arange(count) if groups is None else groups,
                                return_inverse=True)  # fmt: skip
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return torch.isin(group, order[: round(share * len(names))])
