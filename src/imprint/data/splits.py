"""A data set's split in two, where its source has none."""

import torch
from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["stratified_split"]


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
    if not 0 < test_share < 1:
        raise InvalidValueError(f"test_share: expected a share in (0, 1), got {test_share}")
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
