"""The plan: which samples an epoch loads at all, so that what is known costs nothing there."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.skipping.rules import draw
from imprint.skipping.schedules import keep_at

__all__ = ["PLANS", "SkipPlan", "loss_of_level", "loss_to_level"]

UNKNOWN = 255
"""Stands for a loss that is not known, or not a number: such a sample is loaded first."""

SMALLEST, LARGEST = 1e-6, 1e2
"""Losses in nats that the levels reach from and to."""

OLDEST = 255
"""Epochs that a byte counts to."""


def loss_to_level(losses: Tensor) -> Tensor:
    """Store losses in a byte each, 255 levels of equal ratio (7.5 %) from 1e-6 to 100 nats.

    Args:
        losses: `(N,)`, floats, in nats.

    Returns:
        `(N,)`, uint8; 255 where a loss is not a number.

    Examples:
        >>> loss_to_level(torch.tensor([0.0, 1e-6, 1.0, 1e9, torch.nan]))
        tensor([  0,   0, 190, 254, 255], dtype=torch.uint8)
    """
    share = (losses.float().clamp(SMALLEST, LARGEST) / SMALLEST).log() / _REACH
    levels = (share * (UNKNOWN - 1)).round()
    return levels.where(~losses.isnan(), UNKNOWN).to(torch.uint8)


def loss_of_level(levels: Tensor) -> Tensor:
    """Undo `loss_to_level`, up to 4 %.

    Args:
        levels: `(N,)`, uint8.

    Returns:
        `(N,)`, float32, in nats; infinite where it is not known.

    Examples:
        >>> loss_of_level(loss_to_level(torch.tensor([0.5]))).round(decimals=1)
        tensor([0.5000])
    """
    losses = SMALLEST * (levels.float() / (UNKNOWN - 1) * _REACH).exp()
    return losses.where(levels != UNKNOWN, torch.inf)


_REACH = math.log(LARGEST / SMALLEST)

Draw = Callable[[Tensor, int, torch.Generator], Tensor]
"""From the last known losses `(N,)` and a count k to the rows to load, `(k,)`, ascending.

A loss is infinite where it is not known, and NaN where a sample's turn has come: it goes first."""


def _draw_by_loss(losses: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Ours: a sample's chance to be loaded is in proportion to its last known loss."""
    return draw(losses, count, generator)


def _draw_evenly(losses: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The control: as many samples, drawn by chance."""
    return draw(torch.ones_like(losses).where(~losses.isnan(), torch.nan), count, generator)


PLANS: dict[str, Draw] = {"imprint": _draw_by_loss, "random": _draw_evenly}
"""All plans by name; a new one is registered here."""


class SkipPlan(Sampler[int]):
    """Choose for each epoch which samples of a data set are loaded; a sampler for any DataLoader.

    What the network last knew a sample by, its loss when it was last trained on, costs nothing to
    know and one byte to keep. An epoch loads exactly `round(keep·N)` samples; each sample is loaded
    at least once in `readmit` epochs, however well it is known. Past the last epoch the plan goes
    on as in it.

    Args:
        count: N, the samples of the data set.
        keep: the share of them that an epoch loads, in (0, 1].
        epochs: of the whole training.
        rule: `imprint`, or `random`, the control.
        dense_start: the share of the epochs, at the start, that load everything.
        dense_end: likewise at the end.
        readmit: epochs within which each sample is loaded again, at least about `2 / keep`; None
            takes that or 16, whichever is more.
        batch_size: for a loader that drops the last batch where it is not full: an epoch that
            leaves samples out then loads a whole multiple of it.
        seed: of order and choice.

    Attributes:
        epoch: the epoch that the next pass over the sampler belongs to; a whole pass ends it.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> plan = SkipPlan(100, keep=0.4, epochs=3)
        >>> for _ in range(3):
        ...     rows = torch.tensor(list(plan))
        ...     plan.record(rows, torch.rand(len(rows)))
        ...     print(len(rows))
        100
        40
        40
    """

    def __init__(
        self,
        count: int,
        *,
        keep: float,
        epochs: int,
        rule: str = "imprint",
        dense_start: float = 0.1,
        dense_end: float = 0.0,
        readmit: int | None = None,
        batch_size: int = 1,
        seed: int = 0,
    ) -> None:
        if count < 1 or epochs < 1:
            raise InvalidValueError(
                f"count, epochs: expected at least 1 each, got {count}, {epochs}"
            )
        if rule not in PLANS:
            raise InvalidValueError(f"rule: expected one of {', '.join(PLANS)}, got {rule!r}")
        keep_at(0, keep=keep, dense_start=dense_start, dense_end=dense_end)  # checks its arguments
        kept = max(1, round(keep * count))
        if not 1 <= batch_size <= kept:
            expected = f"1 … {kept}, the samples that an epoch keeps"
            raise InvalidValueError(f"batch_size: expected {expected}; got {batch_size}")
        # In each epoch the turns of N / period samples come; there must be room for them.
        fewest = 2 * math.ceil(count / (kept // batch_size * batch_size))
        readmit = max(16, fewest) if readmit is None else readmit
        if readmit < fewest:
            raise InvalidValueError(
                f"readmit: expected at least {fewest} epochs at keep {keep}, got {readmit}"
            )
        self.epoch = 0
        self._keep, self._dense, self._batch_size = keep, (dense_start, dense_end), batch_size
        self._epochs, self._period, self._seed = epochs, readmit // 2, seed
        self._choose = PLANS[rule]
        self._levels = torch.full((count,), UNKNOWN, dtype=torch.uint8)
        self._ages = torch.zeros(count, dtype=torch.uint8)

    def __len__(self) -> int:
        return self.count(self.epoch)

    def __iter__(self) -> Iterator[int]:
        generator = generator_of(self._seed, self.epoch, 1)
        order = torch.randperm(len(self._levels), generator=generator)
        kept = self.kept()
        yield from order[kept[order]].tolist()
        self.advance(kept)

    def count(self, epoch: int) -> int:
        """Say how many samples an epoch loads.

        Args:
            epoch: from 0.

        Returns:
            `round(keep·N)`, at least 1, down to full batches; N in the dense epochs.
        """
        total, (start, end) = len(self._levels), self._dense
        progress = min(epoch, self._epochs - 1) / self._epochs
        share = keep_at(progress, keep=self._keep, dense_start=start, dense_end=end)
        kept = max(1, round(share * total))
        return total if share == 1 else kept // self._batch_size * self._batch_size

    def kept(self) -> Tensor:
        """Choose the samples of the epoch at hand.

        Returns:
            `(N,)`, bool, exactly `count(self.epoch)` of them true; the same until `record` or
            `epoch` changes.
        """
        count, losses = self.count(self.epoch), loss_of_level(self._levels)
        rows = torch.arange(len(losses))
        if count < len(losses):
            losses[self._overdue()] = torch.nan
            rows = self._choose(losses, count, generator_of(self._seed, self.epoch, 2))
        return torch.zeros(len(losses), dtype=torch.bool).index_fill_(0, rows, value=True)

    def record(self, index: Tensor, losses: Tensor) -> None:
        """Note the losses of a batch that was trained on.

        Args:
            index: `(B,)`, int64, places in the data set.
            losses: `(B,)`, floats, each sample's own.

        Raises:
            InvalidValueError: where shapes or places do not fit.
        """
        total = len(self._levels)
        if index.ndim != 1 or losses.shape != index.shape or index.dtype != torch.int64:
            expected = "(B,) of torch.int64 and (B,)"
            got = f"{tuple(index.shape)} of {index.dtype} and {tuple(losses.shape)}"
            raise InvalidValueError(f"index, losses: expected {expected}, got {got}")
        if len(index) and not 0 <= index.min() <= index.max() < total:
            got = f"{int(index.min())} … {int(index.max())}"
            raise InvalidValueError(f"index: expected places in 0 … {total - 1}, got {got}")
        self._levels[index.cpu()] = loss_to_level(losses.detach().cpu())

    def advance(self, kept: Tensor) -> None:
        """End an epoch; a whole pass over the sampler does so by itself.

        Args:
            kept: `(N,)`, bool, what the epoch loaded.
        """
        older = self._ages.clamp_max(OLDEST - 1) + 1
        self._ages = older.where(~kept, 0)
        self.epoch += 1

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state: `levels` and `ages`, `(N,)` each, uint8, and `epoch`."""
        epoch = torch.tensor(self.epoch)
        return {"levels": self._levels.clone(), "ages": self._ages.clone(), "epoch": epoch}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the tensors by name, of as many samples.

        Raises:
            InvalidValueError: where one is missing or of another number of samples.
        """
        kinds = {name: (tuple(value.shape), value.dtype) for name, value in state.items()}
        bytes_ = ((len(self._levels),), torch.uint8)
        expected = {"levels": bytes_, "ages": bytes_, "epoch": ((), torch.int64)}
        if kinds != expected:
            raise InvalidValueError(f"state: expected {expected}, got {kinds}")
        self._levels, self._ages = state["levels"].cpu().clone(), state["ages"].cpu().clone()
        self.epoch = int(state["epoch"])

    def _overdue(self) -> Tensor:
        """`(N,)`, bool: samples whose turn has come that were not loaded since their last one.

        Turns go round by place, so that no more than one in a period falls due in an epoch.
        """
        turn = torch.arange(len(self._ages)) % self._period == self.epoch % self._period
        return turn & (self._ages >= min(self._period, OLDEST))
