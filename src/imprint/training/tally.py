"""What a gate did to each sample and class: counts for the result and the report."""

from typing import Any

import torch
from torch import Tensor

from imprint.skipping import SkipGate

__all__ = ["SkipTally"]

SHOWN = 8
"""Pictures of a class in the report."""


class SkipTally:
    """Counts skips a sample, hits and skips a class and epoch, and similarities early and late.

    Args:
        labels: `(N,)`, int64, of the whole training set.
        num_classes: K.

    Examples:
        >>> SkipTally(torch.tensor([0, 1, 1]), 2).most_skipped()
        ([[], []], [[], []])
    """

    def __init__(self, labels: Tensor, num_classes: int) -> None:
        self._labels = labels.cpu()
        self._num_classes = num_classes
        self._skips = torch.zeros(len(labels), dtype=torch.int32)
        self._early = torch.full((len(labels),), torch.nan)
        self._late = torch.full((len(labels),), torch.nan)
        self._thresholds = torch.zeros(2, num_classes)
        self._epochs = torch.zeros(2, dtype=torch.int64)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int, kept: Tensor | None = None) -> None:
        """Start the counts of an epoch afresh.

        Args:
            epoch: its number, from 0.
            kept: `(N,)`, bool, the samples that it loads; None for all.
        """
        self._epoch = epoch
        self._late.fill_(torch.nan)
        left = torch.zeros_like(self._labels, dtype=torch.bool) if kept is None else ~kept
        self._skips += left
        self.skipped = self._labels[left].bincount(minlength=self._num_classes)
        self.hits = torch.zeros(self._num_classes, dtype=torch.int64)

    def record(self, index: Tensor, labels: Tensor, gate: SkipGate) -> None:
        """Count what the gate did with a batch.

        Args:
            index: `(N,)`, the samples' places in the training set.
            labels: `(N,)`.
            gate: right after the batch's forward pass.
        """
        index, labels = index.cpu(), labels.cpu()
        self.leave_out(index, labels, gate.index)
        familiarity = gate.match.familiarity.float().cpu()
        # The similarity to a class not yet seen is exactly 0, and no similarity.
        self._late[index] = familiarity.where(familiarity != 0, torch.nan)
        self.hits += labels[gate.match.hit.cpu()].bincount(minlength=self._num_classes)

    def leave_out(self, index: Tensor, labels: Tensor, stayed: Tensor) -> None:
        """Count the rows of a batch that did not stay.

        Args:
            index: `(N,)`, the samples' places in the training set.
            labels: `(N,)`.
            stayed: `(M,)`, int64, places in the batch.
        """
        left = torch.ones(len(index), dtype=torch.bool)
        left[stayed.cpu()] = False
        self._skips[index.cpu()[left]] += 1
        self.skipped += labels.cpu()[left].bincount(minlength=self._num_classes)

    def end_epoch(self, gate: SkipGate) -> None:
        """Keep the epoch's similarities and thresholds, as early and as late ones.

        Args:
            gate: whose memory holds the thresholds.
        """
        self._epochs[1], self._thresholds[1] = self._epoch + 1, gate.memory.thresholds.cpu()
        if not self._epochs[0]:
            self._epochs[0], self._thresholds[0] = self._epochs[1], self._thresholds[1]
            self._early = self._late.clone()

    def row(self) -> dict[str, Any]:
        """Give what `result.json` has of the epoch."""
        return {
            "hits": int(self.hits.sum()),
            "hits_per_class": self.hits.tolist(),
            "skipped_per_class": self.skipped.tolist(),
        }

    def similarity(self) -> dict[str, Any] | None:
        """Each class's similarity to its own prototype: 5th, 50th, 95th percentile, threshold.

        Returns:
            `early` and `late`, each with its `epoch` and a list of `classes`; None where no epoch
            has ended. A class without a sample has nulls.
        """
        if not self._epochs[0]:
            return None
        values = (self._early, self._late)
        return {
            name: {
                "epoch": int(self._epochs[i]),
                "classes": [
                    _spread(values[i][self._labels == k]) | {"threshold": float(threshold)}
                    for k, threshold in enumerate(self._thresholds[i])
                ],
            }
            for i, name in enumerate(("early", "late"))
        }

    def most_skipped(self) -> tuple[list[list[int]], list[list[int]]]:
        """The samples of each class that were skipped most often, with how often."""
        most, counts = [], []
        for members in self._members():
            skips = self._skips[members]
            order = skips.argsort(descending=True, stable=True)[:SHOWN]
            order = order[skips[order] > 0]
            most.append(members[order].tolist())
            counts.append(skips[order].tolist())
        return most, counts

    def never_skipped(self) -> list[list[int]]:
        """Samples of each class that were never skipped, the least familiar first."""
        never = []
        for members in self._members():
            kept = members[self._skips[members] == 0]
            order = self._late[kept].nan_to_num(2.0).argsort(stable=True)[:SHOWN]
            never.append(kept[order].tolist())
        return never

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state as flat tensors."""
        return {
            "skips": self._skips.clone(),
            "early": self._early.clone(),
            "late": self._late.clone(),
            "thresholds": self._thresholds.clone(),
            "epochs": self._epochs.clone(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the tensors by name.
        """
        self._skips, self._early, self._late = state["skips"], state["early"], state["late"]
        self._thresholds, self._epochs = state["thresholds"], state["epochs"]

    def _members(self) -> list[Tensor]:
        return [(self._labels == k).nonzero()[:, 0] for k in range(self._num_classes)]


def _spread(values: Tensor) -> dict[str, float | None]:
    values = values[values.isfinite()]
    if not len(values):
        return {"low": None, "median": None, "high": None}
    low, median, high = values.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    return {"low": low, "median": median, "high": high}
