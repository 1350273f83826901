"""What a training step has to say to a gate, to a plan, or to both; the same in any framework."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.gate import SkipGate
from imprint.skipping.plan import SkipPlan

__all__ = ["SkipStep"]


class SkipStep:
    """A gate and a plan, either or both, behind one block and one mean.

    Args:
        gate: lets familiar rows leave within the network.
        plan: is told each loaded sample's loss, and when an epoch ends.

    Attributes:
        gate: the one given, or None.
        plan: likewise.
        seen: rows that steps were given since training or an epoch began.
        kept: those of them that stayed.

    Raises:
        InvalidValueError: where both are missing, or the plan is a published method's.

    Examples:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> skip = SkipStep(SkipGate(model, layer="0", num_classes=2, keep=0.5))
        >>> inputs, labels = torch.rand(8, 3), torch.arange(8) % 2
        >>> with skip(labels):
        ...     logits = model(inputs)
        >>> losses = nn.functional.cross_entropy(logits, skip.labels, reduction="none")
        >>> skip.mean(losses).shape, skip.kept, skip.seen
        (torch.Size([]), 4, 8)
    """

    def __init__(self, gate: SkipGate | None = None, *, plan: SkipPlan | None = None) -> None:
        if gate is None and plan is None:
            raise InvalidValueError("gate, plan: expected at least one of them, got neither")
        if plan is not None and not isinstance(plan, SkipPlan):
            expected = "a SkipPlan (a published one asks for weights or more passes: a loop's own)"
            raise InvalidValueError(f"plan: expected {expected}; got {type(plan).__name__}")
        self.gate, self.plan = gate, plan
        self.seen = self.kept = 0
        self._given: Tensor | None = None
        self._epoch = 0

    @contextmanager
    def __call__(self, labels: Tensor) -> Iterator[Self]:
        """Shrink the batch of the one forward pass in this block, where there is a gate.

        Args:
            labels: `(N,)`, int64, one for each sample of the batch.

        Yields:
            The step itself.

        Raises:
            InvalidValueError: for labels that do not fit.
            LayerError: where the gate's layer did not run, or does not carry all data.
        """
        self._given = labels
        if self.gate is None:
            yield self
            return
        with self.gate(labels):
            yield self

    @property
    def labels(self) -> Tensor:
        """`(M,)`, int64: the labels of the rows that stayed; without a gate, of all."""
        if self._given is None:
            raise InvalidValueError("labels: expected a block `with skip(labels):` before")
        return self._given if self.gate is None else self.gate.labels

    def mean(self, losses: Tensor, index: Tensor | None = None) -> Tensor:
        """Take the mean of the kept rows' losses, and let the plan note each.

        Args:
            losses: `(M,)`, floats, each kept row's own, in the order of `labels`.
            index: `(N,)`, int64, places in the data set of the whole batch; the plan needs it.

        Returns:
            `()`, what to call `backward` on; 0 where no row stayed.

        Raises:
            InvalidValueError: for losses that are not one a kept row, or a missing index.
        """
        labels = self.labels
        if losses.shape != labels.shape:
            expected = f"{tuple(labels.shape)}, one a kept row (reduction='none')"
            raise InvalidValueError(f"losses: expected {expected}, got {tuple(losses.shape)}")
        self._note(losses.detach(), index)
        if self.gate is not None and len(losses):  # several processes may keep unevenly
            return losses.sum() / self.gate.normaliser
        return losses.mean() if len(losses) else losses.sum()

    def begin(self, device: torch.device) -> None:
        """Begin training: bring what was loaded to the model's device, and look at the plan.

        Args:
            device: the model's.
        """
        self.seen = self.kept = 0
        if self.gate is not None:  # a checkpoint is read on the CPU
            state = self.gate.state_dict()
            self.gate.load_state_dict(
                {
                    name: value if name == "generator" else value.to(device)
                    for name, value in state.items()
                }
            )
        if self.plan is not None:
            self._epoch = self.plan.epoch

    def end_epoch(self) -> None:
        """End the plan's epoch, where the loop stopped before its loader asked for one more."""
        if self.plan is None:
            return
        self._epoch += 1
        if self.plan.epoch < self._epoch:
            self.plan.advance()

    def check_used(self, how: str) -> None:
        """Check that the training step went through this.

        Args:
            how: what would have to stand in it, for the error.

        Raises:
            InvalidValueError: where it did not.
        """
        if not self.seen:
            raise InvalidValueError(f"training step: expected {how}; nothing would be skipped")

    def state_dict(self) -> dict[str, Any]:
        """Copy the state of both as flat tensors, `gate.…` and `plan.…`."""
        parts = {"gate": self.gate, "plan": self.plan}
        states = {name: part.state_dict() for name, part in parts.items() if part is not None}
        return {f"{name}.{key}": value for name in states for key, value in states[name].items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state_dict: the tensors by name.

        Raises:
            InvalidValueError: where the state is of another gate or plan.
        """
        for name, part in (("gate", self.gate), ("plan", self.plan)):
            if part is not None:
                start = f"{name}."
                part.load_state_dict(
                    {
                        key.removeprefix(start): v
                        for key, v in state_dict.items()
                        if key.startswith(start)
                    }
                )

    def _note(self, losses: Tensor, index: Tensor | None) -> None:
        rows = 0 if self._given is None else len(self._given)
        self.seen, self.kept = self.seen + rows, self.kept + len(losses)
        if self.plan is None:
            return
        if index is None or index.shape != (rows,):
            got = "none" if index is None else str(tuple(index.shape))
            raise InvalidValueError(f"index: expected ({rows},) for the plan, got {got}")
        self.plan.record(index, losses if self.gate is None else self.gate.spread(losses))
