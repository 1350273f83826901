"""Skipping within Lightning: `L.Trainer(callbacks=[SkipCallback(gate)])`."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from imprint.callbacks.step import SkipStep
from imprint.errors import InvalidValueError

__all__ = ["SkipCallback"]


class SkipCallback(SkipStep, Callback):
    """Keep a gate and a plan, either or both, in a Lightning training.

    The `training_step` opens it around the forward pass and takes labels and mean from it:

    ```python
    def training_step(self, batch, batch_idx):
        images, labels = batch
        with self.skip(labels):
            logits = self.model(images)
        return self.skip.mean(F.cross_entropy(logits, self.skip.labels, reduction="none"))
    ```

    The callback writes the whole state into Lightning's checkpoints and takes it from there, and
    ends the plan's epochs. Beside a plan, the loader is
    `DataLoader(imprint.indexed(dataset), sampler=plan, …)`, a batch is `(index, batch)`, `mean`
    takes the index as well, and the trainer has `reload_dataloaders_every_n_epochs=1`, so that it
    learns how many batches each epoch has.

    Args:
        gate: on the module's network.
        plan: the training loader's sampler.

    Raises:
        InvalidValueError: where both are missing.

    Examples:
        >>> from torch import nn
        >>> from imprint import SkipGate
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> skip = SkipCallback(SkipGate(network, layer="0", num_classes=2, keep=0.5))
        >>> sorted(skip.state_dict())[0]
        'gate.generator'
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a checkpoint's state; an epoch that was under way is drawn anew.

        Lightning counts on from the batch where it stopped, which a plan that gave the rest alone
        would not have.

        Args:
            state_dict: the tensors by name.

        Raises:
            InvalidValueError: where the state is of another gate or plan.
        """
        amid = ("plan.bits", "plan.pending", "plan.size", "plan.left")
        super().load_state_dict({k: v for k, v in state_dict.items() if k not in amid})

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check, before training begins, that the trainer can follow a plan."""
        if stage != "fit" or self.plan is None:
            return
        every = vars(trainer)["reload_dataloaders_every_n_epochs"]
        if every != 1:
            expected = "1 beside a plan, whose epochs differ in length"
            raise InvalidValueError(
                f"reload_dataloaders_every_n_epochs: expected {expected}; got {every}"
            )
        if trainer.world_size != 1:
            raise InvalidValueError(f"plan: expected one process, got {trainer.world_size}")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the state to the module's device."""
        self.begin(pl_module.device)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count an epoch's rows anew."""
        self.seen = self.kept = 0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Check that the training step used this callback."""
        self.check_used("`with skip(labels):` and `skip.mean(losses)`")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the plan's epoch; callbacks that write checkpoints come after this one."""
        self.end_epoch()
