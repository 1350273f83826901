"""Labels that seem wrong, by cleanlab's confident learning."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.exploring.extras import require

__all__ = ["LabelIssues", "label_issues"]


class LabelIssues(NamedTuple):
    """What is said of each label.

    Attributes:
        score: `(N,)`, in [0, 1]: higher is more surely wrong.
        is_issue: `(N,)`, bool.
        suggested: `(N,)`, int64, the most probable class.
    """

    score: Tensor
    is_issue: Tensor
    suggested: Tensor


def label_issues(probabilities: Tensor, labels: Tensor) -> LabelIssues:
    """Judge labels by predictions of networks that never saw them.

    Args:
        probabilities: `(N, K)`, each row of sum 1, out of sample (see `cross_fit`).
        labels: `(N,)`, int64, in `0 … K-1`.

    Returns:
        a score, a decision and a suggestion for each; the score is 1 less the probability of the
        label, an issue what confident learning prunes by class and by noise rate.

    Raises:
        InvalidValueError: where shapes do not fit, or a value is not finite.
        MissingExtraError: without `imprint[explore]`.

    Source: Northcutt, Jiang & Chuang (2021), Confident learning; cleanlab's `find_label_issues`,
    `filter_by="both"`, and `get_label_quality_scores`, `method="self_confidence"`.

    Examples:
        >>> probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.95, 0.05]] * 4)
        >>> labels = torch.tensor([0, 1, 0] * 4)
        >>> labels[0] = 1
        >>> label_issues(probabilities, labels).score.argmax()
        tensor(0)
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        got = f"{tuple(probabilities.shape)} and labels {tuple(labels.shape)}"
        raise InvalidValueError(f"probabilities: expected (N, K) and labels (N,), got {got}")
    if not bool(probabilities.isfinite().all()):
        got = f"{int((~probabilities.isfinite()).sum())} NaN or infinite"
        raise InvalidValueError(f"probabilities: expected finite values, got {got}")
    suggested = probabilities.argmax(1)
    score = 1 - probabilities.gather(1, labels[:, None])[:, 0]
    return LabelIssues(score, _pruned(probabilities, labels), suggested)


def _pruned(probabilities: Tensor, labels: Tensor) -> Tensor:
    """What cleanlab would prune; nothing where only one class has samples."""
    present = torch.unique(labels)
    if len(present) < 2:
        return torch.zeros(len(labels), dtype=torch.bool)
    find = require("cleanlab.filter").find_label_issues
    shares = probabilities[:, present].double()
    shares = shares / shares.sum(1, keepdim=True).clamp_min(1e-12)
    given = torch.searchsorted(present, labels)
    with warnings.catch_warnings():  # it names a setting of cleanlab's, which nobody has here
        warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
        flags = find(given.numpy(), shares.numpy(), filter_by="both", n_jobs=1)
    return torch.from_numpy(flags)
