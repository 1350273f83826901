"""The tiers of a run, which leave images out, and what they tell each other."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.data import Batch
from imprint.outputs import first_tensor
from imprint.skipping import SkipPlan, Suspects
from imprint.training.settings import TrainSettings
from imprint.training.skips import build_gate, build_plan, build_selector
from imprint.training.tally import SkipTally

__all__ = ["Tiers"]


class Tiers:
    """What leaves images out: a plan before they load, a gate within the network, or neither.

    Args:
        settings: names rule and tier.
        model: on the CPU.
        shape: channels, height and width of the images.
        num_classes: K.
        labels: `(N,)`, int64, of the whole training set.

    Attributes:
        plan: or None.
        gate: or None; beside a plan alone it only reads.
        suspects: or None.
        tally: what was left out.

    Raises:
        InvalidValueError: where an epoch would keep less than one batch.
        LayerError: where the layer cannot serve as gate.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> settings = TrainSettings(skip="random", batch_size=4, dense_start=0, familiarity=False)
        >>> tiers = Tiers(settings, model, (1, 2, 2), 2, torch.arange(16) % 2)
        >>> kept, _ = tiers.begin_epoch(0)
        >>> int(kept.sum())
        8
    """

    def __init__(
        self,
        settings: TrainSettings,
        model: nn.Module,
        shape: tuple[int, int, int],
        num_classes: int,
        labels: Tensor,
    ) -> None:
        self._settings = settings
        self.plan = build_plan(settings, labels)
        self._selector = build_selector(settings)
        self.gate = build_gate(settings, model, shape, num_classes)
        self.suspects = Suspects(len(labels)) if settings.hold_suspects else None
        self.tally = SkipTally(labels, num_classes)

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied by in the epoch under way."""
        return 1.0 if self.plan is None else self.plan.rate

    @property
    def exact(self) -> bool:
        """Whether the steps of each epoch are known before it begins."""
        return self.plan is None or self.plan.exact

    def begin_epoch(self, epoch: int) -> tuple[Tensor | None, Tensor | None]:
        """Choose what an epoch keeps.

        Args:
            epoch: from 0.

        Returns:
            `(N,)`, bool, each, or None: the images to load, None for all; and those that only run
            forward at its end.
        """
        keep = self._settings.shares()[epoch]
        if self.gate is not None and self._settings.gated:
            self.gate.keep = keep
        if self._selector is not None:
            self._selector.begin_epoch(epoch, keep)
        kept = None if self.plan is None else self.plan.kept()
        self.tally.begin_epoch(epoch, kept)
        return kept, None if self.plan is None else self.plan.rescored()

    def end_epoch(self, epoch: int) -> None:
        """Take leave of an epoch.

        Args:
            epoch: from 0.
        """
        if self.plan is not None and self.plan.epoch == epoch:
            self.plan.advance()  # rows after the last full batch are never recorded
        if self.gate is not None:
            self.tally.end_epoch(self.gate)

    def narrow(self, model: nn.Module, batch: Batch) -> Batch:
        """Take the rows of a batch that are worth a step, where a rule chooses by fresh losses.

        Args:
            model: in the modes that it trains in.
            batch: all rows.

        Returns:
            Those that stay.
        """
        if self._selector is None:
            return batch
        rows = self._selector(model, batch)
        self.tally.leave_out(batch.index, batch.labels, rows)
        return Batch(batch.index[rows], batch.images[rows], batch.labels[rows])

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run forward, through the gate where there is one.

        Args:
            model: the network that the gate taps, wrapped or bare.
            batch: of B rows.

        Returns:
            The logits `(M, K)` and the labels `(M,)` of the rows that stay.
        """
        if self.gate is None:
            return first_tensor(model(batch.images), "the model's output"), batch.labels
        with self.gate(batch.labels) as gate:
            logits = first_tensor(model(batch.images), "the model's output")
        self.tally.record(batch.index, batch.labels, gate)
        return logits, gate.labels

    def weights(self, index: Tensor) -> Tensor | None:
        """Say how much the losses of a batch count.

        Args:
            index: `(B,)`, int64, places in the training set.

        Returns:
            `(B,)`, float32, or None for 1 each.
        """
        return None if self.plan is None else self.plan.weights(index)

    def record(self, batch: Batch, logits: Tensor, labels: Tensor) -> None:
        """Remember what a step has shown; of rows that left at a gate, what the gate knew.

        Args:
            batch: that was stepped on.
            logits: `(M, K)`, of the rows that stayed.
            labels: `(M,)`.
        """
        if self.plan is not None:
            losses, stayed = F.cross_entropy(logits, labels, reduction="none"), batch.index
            if self.gate is not None and self._settings.gated:
                stayed, losses = stayed[self.gate.index], self.gate.spread(losses)
            self.plan.record(batch.index, losses)
            if self.suspects is not None and isinstance(self.plan, SkipPlan):
                self.suspects.record(stayed, logits, labels)
                self.plan.hold_back(batch.index.cpu()[self.suspects.among(batch.index)])
        if self._remembers_after and self.gate is not None:
            self.gate.remember(batch.images, batch.labels)

    def looked_at(self, loaded: int, trained: int) -> int:
        """Count the images of a batch that ran forward once more.

        Args:
            loaded: images of the batch.
            trained: those of them that were stepped on.

        Returns:
            How many were looked at to choose them, or to remember them.
        """
        if self._selector is not None:
            return trained if self._selector.keep < 1 else 0
        return loaded if self._remembers_after else 0

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Copy the state, part by part."""
        parts = {"gate": self.gate, "plan": self.plan, "suspects": self.suspects}
        held = {name: part.state_dict() for name, part in parts.items() if part is not None}
        return held | {"tally": self.tally.state_dict()}

    def load_state(self, parts: dict[str, dict[str, Tensor]], device: torch.device) -> None:
        """Take over a state that `state` gave.

        Args:
            parts: the tensors of each part by name.
            device: of the network.
        """
        if self.gate is not None:
            gate = {k: v if k == "generator" else v.to(device) for k, v in parts["gate"].items()}
            self.gate.load_state_dict(gate)
        rest: dict[str, Any] = {"plan": self.plan, "suspects": self.suspects, "tally": self.tally}
        for name, part in rest.items():
            if part is not None:
                part.load_state_dict(parts[name])

    @property
    def _remembers_after(self) -> bool:
        """Whether the memory learns from a batch once it was stepped on."""
        return self.gate is not None and self.gate.rule.remember == "after"
