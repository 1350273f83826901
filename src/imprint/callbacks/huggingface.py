"""Skipping within the Hugging Face Trainer: `SkipTrainer(…, callbacks=[SkipCallback(gate)])`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from imprint.callbacks.step import SkipStep
from imprint.data.datasets import MapStyle
from imprint.errors import InvalidValueError, MissingExtraError
from imprint.outputs import first_tensor
from imprint.runs import read_tensors, write_tensors
from imprint.skipping.gate import SkipGate
from imprint.skipping.plan import SkipPlan

try:
    from transformers import (
        Trainer,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )
except ImportError as error:
    raise MissingExtraError(
        "transformers: expected it and accelerate; install imprint[huggingface]"
    ) from error

__all__ = ["STATE_FILE", "PlannedDataset", "SkipCallback", "SkipTrainer", "cross_entropies"]

STATE_FILE = "imprint.safetensors"
"""What the state is called within a checkpoint's folder."""

Losses = Callable[[Tensor, Tensor], Tensor]
"""From logits and labels `(M,)` to each row's own loss `(M,)`."""


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Give each row's own cross-entropy.

    Args:
        logits: `(M, K)`, floats.
        labels: `(M,)`, int64, in `0 … K-1`.

    Returns:
        `(M,)`, float32, in nats.

    Examples:
        >>> cross_entropies(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.6931])
    """
    return F.cross_entropy(logits.float(), labels, reduction="none")


class PlannedDataset(Dataset[dict[str, Any]]):
    """The samples that a plan chose for the epoch at hand, each with its `index` in the data set.

    A trainer may shuffle and split it as it likes. `draw` chooses anew; data-loader workers that
    live on see it, because the order lies in shared memory.

    Args:
        dataset: gives dicts by index.
        plan: of as many samples.

    Raises:
        InvalidValueError: where it is of more or fewer.

    Examples:
        >>> data = [{"x": 0.0}, {"x": 1.0}]
        >>> planned = PlannedDataset(data, SkipPlan(2, keep=0.5, epochs=2, dense_start=0))
        >>> planned.draw()
        >>> len(planned), sorted(planned[0])
        (1, ['index', 'x'])
    """

    def __init__(self, dataset: MapStyle[Mapping[str, Any]], plan: SkipPlan) -> None:
        if len(dataset) != plan.samples:
            raise InvalidValueError(f"dataset: expected {plan.samples} samples, got {len(dataset)}")
        self.dataset, self.plan = dataset, plan
        self.order = torch.zeros(len(plan), dtype=torch.int64)
        self.order.untyped_storage().share_memory_()
        self._drawn = -1  # the plan's epoch whose samples these are

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, position: int) -> dict[str, Any]:
        row = int(self.order[position])
        return {**self.dataset[row], "index": row}

    def draw(self) -> None:
        """Choose the samples of the plan's next epoch, and so end the plan's last one."""
        if self.plan.under_way and self._drawn == self.plan.epoch:
            self.plan.advance()  # some samples were dropped, or left at a gate
        self._drawn = self.plan.epoch
        self.order.copy_(torch.tensor(list(self.plan)))

    def restore(self, order: Tensor) -> None:
        """Take over the samples of the epoch that a resumed plan is in.

        Args:
            order: `(M,)`, int64, as it was.
        """
        self.order.copy_(order)
        self._drawn = self.plan.epoch


class SkipCallback(SkipStep, TrainerCallback):
    """Keep a gate and a plan, either or both, in a training by a `SkipTrainer`.

    The state is written to each checkpoint's folder, as `imprint.safetensors`, and taken from
    there when training is resumed.

    Beside a plan, `train_dataset=skip.planned(dataset)`, and `TrainingArguments` have
    `remove_unused_columns=False`, so that the samples' index gets through. All epochs of the plan
    must be of one length, `dense_start=0`, since the Trainer takes that for granted in its
    schedules and when it resumes.

    Args:
        gate: on the model.
        plan: over the training data.
        losses: each row's own loss from logits and labels.

    Raises:
        InvalidValueError: where both are missing, or the gate's rule learns after the step.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> skip = SkipCallback(SkipGate(network, layer="0", num_classes=2, keep=0.5))
        >>> sorted(skip.state_dict())[0]
        'gate.generator'
    """

    def __init__(
        self,
        gate: SkipGate | None = None,
        *,
        plan: SkipPlan | None = None,
        losses: Losses = cross_entropies,
    ) -> None:
        super().__init__(gate, plan=plan)
        if gate is not None and gate.rule.remember == "after":
            raise InvalidValueError("rule: expected one that learns within the step, got `paper`")
        self.losses = losses
        self._planned: PlannedDataset | None = None
        self._was_loaded = self._drawn = False

    def planned(self, dataset: MapStyle[Mapping[str, Any]]) -> PlannedDataset:
        """Give what the plan chooses of a data set, for the Trainer's `train_dataset`.

        Args:
            dataset: gives dicts by index, of as many samples as the plan is for.

        Returns:
            a data set that changes from epoch to epoch.

        Raises:
            InvalidValueError: where there is no plan, or it is of more samples or fewer.
        """
        if self.plan is None:
            raise InvalidValueError("plan: expected one, got none")
        self._planned = PlannedDataset(dataset, self.plan)
        return self._planned

    def load(self, folder: Path | str) -> None:
        """Take the state from a checkpoint's folder.

        Args:
            folder: the checkpoint's.

        Raises:
            MissingFileError: where it holds no such state.
            InvalidValueError: where the state is of another gate or plan.
        """
        state, _ = read_tensors(Path(folder) / STATE_FILE)
        self.load_state_dict(state)
        if self._planned is not None:
            self._planned.restore(state["order"])
        self._was_loaded = True

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check that the Trainer fits, and take over a resumed checkpoint's state."""
        self._check(args)
        if state.global_step and not self._was_loaded:
            self.load(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        self._was_loaded = False
        self._drawn = float(state.epoch or 0) % 1 > 0  # resumed amid an epoch, whose order holds
        self.begin(next(kwargs["model"].parameters()).device)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Let the plan choose, before the loader begins."""
        self.seen = self.kept = 0
        if self._planned is not None and not self._drawn:
            self._planned.draw()
        self._drawn = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Check that the training step used this callback."""
        self.check_used("that of a SkipTrainer")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the state beside the checkpoint that was just written."""
        if not args.should_save:
            return
        tensors = self.state_dict()
        if self._planned is not None:
            tensors["order"] = self._planned.order
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        write_tensors(folder / STATE_FILE, tensors, {"step": state.global_step})

    def _check(self, args: TrainingArguments) -> None:
        if args.n_gpu > 1:
            raise InvalidValueError(f"n_gpu: expected 1 a process, got {args.n_gpu}")
        if self.plan is None:
            return
        if args.world_size > 1:
            raise InvalidValueError(f"plan: expected one process, got {args.world_size}")
        if not self.plan.exact:
            raise InvalidValueError(
                "plan: expected a keep ratio, whose epochs are alike; got cover"
            )
        counts = {self.plan.count(epoch) for epoch in range(int(args.num_train_epochs))}
        if len(counts) > 1:
            got = ", ".join(str(count) for count in sorted(counts))
            raise InvalidValueError(
                f"plan: expected epochs of one length (dense_start=0), got {got} samples"
            )
        if args.remove_unused_columns:
            raise InvalidValueError("remove_unused_columns: expected False beside a plan, got True")


class SkipTrainer(Trainer):
    """A Trainer whose training steps go through the `SkipCallback` among its callbacks.

    Without one it is the Trainer that it derives from. A Trainer of your own derives from both:
    `class MyTrainer(SkipTrainer, Mine)`. Evaluation is left as it is.
    """

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - the Trainer's own signature
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Give the mean loss of the rows that stayed.

        Args:
            model: as the Trainer wrapped it.
            inputs: a batch, with `labels`, and `index` beside a plan.
            return_outputs: whether to give the model's outputs as well.
            num_items_in_batch: labels of all micro-batches of the step.

        Returns:
            the loss, `()`, or the loss and the outputs.
        """
        callbacks = self.callback_handler.callbacks
        skip = next((one for one in callbacks if isinstance(one, SkipCallback)), None)
        if skip is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self.compute_loss_func is not None or self.label_smoother is not None:
            expected = "the loss as SkipCallback(losses=…)"
            raise InvalidValueError(
                f"compute_loss_func, label_smoothing_factor: expected {expected}"
            )
        loss, outputs = _skipped_loss(skip, model, inputs)
        loss = loss * self._share_of(len(inputs["labels"]), num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def _share_of(self, rows: int, total: Tensor | int | None) -> Tensor | float:
        """What a micro-batch's mean counts for; 1 where the Trainer divides by their number."""
        if total is None:
            return 1.0
        gathered = self.args.average_tokens_across_devices
        return rows * (self.accelerator.num_processes if gathered else 1) / total


def _skipped_loss(
    skip: SkipCallback, model: nn.Module, inputs: dict[str, Any]
) -> tuple[Tensor, Any]:
    """Run a model on a batch, and take the mean loss of the rows that stay."""
    if "labels" not in inputs:
        raise InvalidValueError(f"inputs: expected `labels` among them, got {', '.join(inputs)}")
    given = {name: value for name, value in inputs.items() if name not in {"labels", "index"}}
    with skip(inputs["labels"]):
        outputs = model(**given)
    named = outputs["logits"] if isinstance(outputs, Mapping) and "logits" in outputs else outputs
    losses = skip.losses(first_tensor(named, "the model"), skip.labels)
    return skip.mean(losses, inputs.get("index")), outputs
