"""The trainer: a loop that reads as pseudo-code, on Lightning Fabric."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.data import Batch, Batches
from imprint.errors import DivergedError
from imprint.models import build_model
from imprint.outputs import first_tensor
from imprint.skipping import count_steps
from imprint.taps import channels_last, guest
from imprint.training.diagnosis import diagnose
from imprint.training.engine import build_fabric, run_both_ways
from imprint.training.evaluation import class_hits
from imprint.training.fit import check_fit, load_weights
from imprint.training.freezing import build_freezing, freeze
from imprint.training.losses import mean_loss
from imprint.training.normalization import renew_batch_norm
from imprint.training.optimizers import build_optimizer, build_schedule, scaled_rate
from imprint.training.progress import EpochCounts, Progress
from imprint.training.randomness import drawing_from
from imprint.training.settings import TrainSettings
from imprint.training.states import flatten_optimizer, join_parts, restore_optimizer, split_parts
from imprint.training.tiers import Tiers

__all__ = ["Trainer"]

SCHEDULE_STATE = ("last_epoch", "_step_count", "_last_lr")
"""What moves in a schedule; all else is made anew from the settings, and may not survive JSON."""


class Trainer:
    """Train one network, an epoch a call, so that several can take turns.

    Args:
        settings: what to do.
        train: batches to train on, the same for the same epoch.
        test: batches to judge on after each epoch.
        shape: channels, height and width of the images.
        num_classes: K.
        train_labels: `(N,)`, int64, of the whole training set.
        on_step: called after each optimizer step.
        name: what `on_step` is told of the run.
        start: weights to start from, by name; None for those that the seed gives.

    Raises:
        InvalidValueError: for a model that does not fit the data, or weights that do not fit it.
        LayerError: where the layer cannot serve as gate.
        DeviceError: where the device or the precision is not to be had.
    """

    def __init__(
        self,
        settings: TrainSettings,
        *,
        train: Batches,
        test: Batches,
        shape: tuple[int, int, int],
        num_classes: int,
        train_labels: Tensor,
        on_step: Callable[[Progress], None] = lambda _: None,
        name: str = "plain",
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.settings = settings
        self.name = name
        self.epochs: list[dict[str, Any]] = []
        self.class_accuracy: list[float | None] = []
        self.prefix_seconds: float | None = None
        self._train, self._test, self._on_step = train, test, on_step
        self._num_classes = num_classes
        self._shape: tuple[int, ...] = shape
        self._rows = len(train_labels)
        self._fabric = build_fabric(settings)
        self.model = build_model(settings.model, shape, num_classes, seed=settings.seed)
        check_fit(self.model, settings.model, shape, num_classes, min(2, settings.batch_size))
        if start is not None:
            load_weights(self.model, start, settings.model)
        channels_last(self.model)
        self.rest = None if settings.freeze_to is None else freeze(self.model, settings, shape)
        if settings.freeze_to is not None and settings.layer is None:
            settings = replace(settings, layer=settings.freeze_to)
        self.freezing = build_freezing(self.model, settings, shape)
        self.tiers = Tiers(settings, self.model, shape, num_classes, train_labels)
        optimizer = build_optimizer(self.model, settings)
        self._model, self._optimizer = self._fabric.setup(self.model, optimizer)
        steps = sum(self._steps(epoch) for epoch in range(settings.epochs))
        self._schedule = build_schedule(optimizer, settings, steps)

    def take_maps(self, train: Batches, test: Batches) -> None:
        """Go on with stored maps of the layer up to which the network is frozen.

        Args:
            train: batches of the training images' maps.
            test: batches of the test images' maps.
        """
        assert self.rest is not None  # noqa: S101 - the caller's
        self._train, self._test = train, test
        self._shape = self.rest.shape
        self.rest.attach()

    def autocast(self) -> AbstractContextManager[Any]:
        """Run at the precision of the training while the block lasts."""
        return self._fabric.autocast()

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.epochs)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._fabric.device

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the target accuracy is reached."""
        target = self.settings.target
        reached = bool(self.epochs) and target is not None
        return self.epoch >= self.settings.epochs or (
            reached and self.epochs[-1]["test_accuracy"] >= target
        )

    def warm_up(self, steps: int = 5) -> None:
        """Run forward and backward and learn nothing: what comes but once is then not timed.

        Args:
            steps: how often, on a batch of noise.
        """
        noise = torch.rand(
            self.settings.batch_size, *self._shape, generator=torch.Generator().manual_seed(0)
        ).to(self.device)
        with guest(self.model, training=True), drawing_from(0, device=self.device):
            for _ in range(steps):
                with self._fabric.autocast():
                    run_both_ways(self.model, noise)

    def train_epoch(self) -> dict[str, Any]:
        """Train for one epoch, then judge on the test images.

        Returns:
            The epoch's row in `result.json`.

        Raises:
            DivergedError: as soon as a loss is not finite; it says where that came from.
        """
        rate = float(self._schedule.get_last_lr()[0])
        start = time.perf_counter()
        kept, rescored = self.tiers.begin_epoch(self.epoch)
        with drawing_from(self.settings.seed, self.epoch, device=self.device):
            with self.frozen_at(self.epoch):
                counts = self._train_batches(kept)
            again = self._rescore(rescored) + self._renew_norm()
        self.tiers.end_epoch(self.epoch)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - start
        self.epochs.append({"epoch": self.epoch + 1, "test_accuracy": self._judge()})
        self.epochs[-1] |= (
            counts.row(again)
            | self.tiers.tally.row()
            | {
                "train_seconds": seconds,
                "learning_rate": rate,
            }
        )
        return self.epochs[-1]

    def frozen_layers(self, epoch: int) -> tuple[str, ...]:
        """Name the layers up to which an epoch trains nothing, of those that freeze on the way.

        Args:
            epoch: from 0.
        """
        if self.freezing is None:
            return ()
        return tuple(self.freezing.frozen(epoch / self.settings.epochs))

    def frozen_at(self, epoch: int) -> AbstractContextManager[None]:
        """Freeze what an epoch trains no more, while the block lasts.

        Args:
            epoch: from 0.
        """
        if self.freezing is None:
            return nullcontext()
        return self.freezing.at(epoch / self.settings.epochs)

    def judge(self, batches: Batches) -> tuple[float, list[float | None]]:
        """Give the accuracy of the network as it is.

        Args:
            batches: of the images to judge on.

        Returns:
            the share of right answers, in [0, 1], and that of each class, None where it has none.
        """
        right, total = class_hits(self._model, batches.epoch(0), self._num_classes)
        pairs = zip(right.tolist(), total.tolist(), strict=True)
        each = [hits / n if n else None for hits, n in pairs]
        return int(right.sum()) / max(1, int(total.sum())), each

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Give all that the run needs to continue exactly: tensors, and a note for JSON."""
        tensors, groups = flatten_optimizer(self._optimizer)
        parts = {"model": dict(self.model.state_dict()), "optimizer": tensors}
        note = {
            "epochs": self.epochs,
            "class_accuracy": self.class_accuracy,
            "optimizer": groups,
            "schedule": {key: self._schedule.state_dict()[key] for key in SCHEDULE_STATE},
            "precision": self._fabric.strategy.precision.state_dict(),
        }
        return join_parts(parts | self.tiers.state()), note

    def load_state(self, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
        """Continue from what `state` gave.

        Args:
            tensors: by name.
            note: what stood beside them.
        """
        parts = split_parts(tensors)
        self.model.load_state_dict(parts["model"])
        restore_optimizer(self._optimizer, parts.get("optimizer", {}), note["optimizer"])
        self._schedule.load_state_dict(note["schedule"])
        self._fabric.strategy.precision.load_state_dict(note["precision"])
        self.tiers.load_state(parts, self.device)
        self.epochs, self.class_accuracy = note["epochs"], note["class_accuracy"]

    def _train_batches(self, kept: Tensor | None) -> EpochCounts:
        """One epoch: for each batch, a step on the rows that stay."""
        self._model.train()
        if self.rest is not None:
            self.rest.hold_still()
        counts = EpochCounts(0 if kept is None else int((~kept).sum()))
        fewer = None if kept is None or bool(kept.all()) else self._steps_for(int(kept.sum()))
        steps = fewer or len(self._train)
        for step, batch in enumerate(self._train.epoch(self.epoch, kept, steps=fewer), 1):
            loss, trained = self._step(batch)
            self._advance_schedule(step / steps)
            loaded = len(batch.labels)
            forwarded = loaded + self.tiers.looked_at(loaded, trained)
            counts.add(loss, trained=trained, loaded=loaded, forwarded=forwarded)
            skipped = counts.seen - counts.trained
            self._on_step(
                Progress(self.name, self.epoch, step, steps, loss, counts.trained, skipped)
            )
        return counts

    @torch.no_grad()
    def _rescore(self, rows: Tensor | None) -> int:
        """Renew the losses of what a published plan leaves out but looks at; how many."""
        plan = self.tiers.plan
        if plan is None or rows is None or not bool(rows.any()):
            return 0
        count = 0
        with guest(self.model):
            for batch in self._train.epoch(self.epoch, rows, whole=True):
                logits = first_tensor(self._model(batch.images), "the model's output")
                losses = F.cross_entropy(logits, batch.labels, reduction="none")
                plan.note(batch.index, losses)
                count += len(losses)
        return count

    def _renew_norm(self) -> int:
        """Take batch norm's statistics from images drawn from all, after the last epoch."""
        if not self.settings.renew_norm or self.epoch + 1 < self.settings.epochs:
            return 0
        return renew_batch_norm(self._model, self._train.epoch(self.epoch))

    def _step(self, batch: Batch) -> tuple[float, int]:
        """Forward, backward and update on one batch; its loss and the rows that it had."""
        batch = self.tiers.narrow(self._model, batch)
        logits, labels = self.tiers.forward(self._model, batch)
        weights = self.tiers.weights(batch.index)
        loss = mean_loss(logits, labels, weights, smoothing=self.settings.label_smoothing)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(self._explain(batch, value))
        self._fabric.backward(loss)
        if self.settings.clip is not None:
            self._fabric.clip_gradients(
                self._model, self._optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
            )
        with scaled_rate(self._optimizer, self.tiers.rate):
            self._optimizer.step()
        self._optimizer.zero_grad()
        self.tiers.record(batch, logits.detach(), labels)
        return value, len(labels)

    def _advance_schedule(self, done: float) -> None:
        """Move the learning rate on: by a step, or by the share of the epoch that is done.

        How many steps a rule that is not exact will take, nobody knows before.
        """
        target = self._schedule.last_epoch + 1
        if not self.tiers.exact:
            target = round((self.epoch + done) * len(self._train))
        while self._schedule.last_epoch < target:
            self._schedule.step()

    def _steps(self, epoch: int) -> int:
        """Optimizer steps of an epoch."""
        plan = self.tiers.plan
        return len(self._train) if plan is None else self._steps_for(plan.count(epoch))

    def _steps_for(self, count: int) -> int:
        """Optimizer steps of an epoch that loads so many images."""
        if count == self._rows:
            return len(self._train)
        s = self.settings
        return count_steps(count, total=self._rows, batch_size=s.batch_size, shrink=s.batch_shrink)

    def _judge(self) -> float:
        accuracy, self.class_accuracy = self.judge(self._test)
        return accuracy

    def _explain(self, batch: Batch, loss: float) -> str:
        place = f"epoch {self.epoch + 1} of the {self.name} run"
        remedy = "a lower --lr, --clip 1 or --precision 32 may help"
        with self._fabric.autocast():
            diagnosis = diagnose(self.model, batch.images)
        return f"loss became {loss} in {place}: {diagnosis}; {remedy}"
