"""The plan: which samples an epoch loads at all, so that what is known costs nothing there."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.ranks import ALONE, Ranks
from imprint.skipping.checks import check_places, check_plan, check_readmission
from imprint.skipping.levels import (
    HELD,
    LEVELS,
    UNKNOWN,
    count_levels,
    draw_levels,
    flags_of,
    loss_to_level,
)
from imprint.skipping.sampling import EpochSampler
from imprint.skipping.schedules import keep_at
from imprint.skipping.shares import PLANS, count_covering, shares_sparing_held, shares_with_floor
from imprint.skipping.storage import PlanStorage

__all__ = ["SkipPlan"]

OLDEST = 255
"""Epochs that a byte counts to."""

LEAST_COVERED = 0.25
"""The share that an epoch loads at least with `cover`."""

CHUNK = 1 << 18
"""Samples looked at together; a multiple of 8."""


class SkipPlan(EpochSampler):
    """Choose for each epoch which samples of a data set are loaded; a sampler for any DataLoader.

    What the network last knew a sample by, its loss when it was last trained on, costs nothing to
    know and one byte to keep. An epoch loads exactly `round(keep·N)` samples, or with a
    `batch_size` as many as fill batches; each sample is loaded
    at least once in `readmit` epochs, however well it is known. Past the last epoch the plan goes
    on as in it.

    An epoch ends when all that it loaded is recorded, or when the next pass begins.

    With `cover`, each epoch loads as many samples as hold that part of all known loss, the highest
    losses first: nearly all while little is known, fewer and fewer as training goes on.

    Args:
        count: N, the samples of the data set.
        keep: the share of them that an epoch loads, in (0, 1].
        epochs: of the whole training.
        rule: `imprint`; `top`, those of the highest loss alone; or `random`, the control.
        keep_end: where the share has gone to, in a straight line, at the end; None: constant.
        cover: the part of all known loss that an epoch's samples hold, in (0, 1]; it takes the
            place of `keep`. None leaves it at that.
        dense_start: the share of the epochs, at the start, that load everything.
        dense_end: likewise at the end.
        readmit: epochs within which each sample is loaded again, at least about `2 / keep`; None
            takes that or 64, whichever is more.
        batch_size: for a loader that drops the last batch where it is not full: an epoch that
            leaves samples out then loads a whole multiple of it.
        seed: of order and choice.
        labels: `(N,)`, integers in `0 … K-1`; only a class floor asks for them, and keeps them in a
            byte each, up to 256 classes.
        class_floor: the part of the keep ratio that each class has at least, in [0, 1].
        ranks: the processes that share the data set, under `torchrun` `Ranks()`; each plans every
            so-manieth sample, and all load as many. With `cover` they tell each other once an
            epoch how their losses lie, so that all must begin each epoch.
        path: a file to keep the two bytes a sample in, for more samples than memory should hold;
            one that is there is taken over. Each of several ranks has its own, `<path>.<rank>`.

    Attributes:
        epoch: the epoch that is under way, or begins next.

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
        epochs: int,
        keep: float = 0.5,
        keep_end: float | None = None,
        cover: float | None = None,
        rule: str = "imprint",
        dense_start: float = 0.05,
        dense_end: float = 0.0,
        readmit: int | None = None,
        batch_size: int = 1,
        seed: int = 0,
        labels: Tensor | None = None,
        class_floor: float = 0.0,
        ranks: Ranks = ALONE,
        path: Path | str | None = None,
    ) -> None:
        check_plan(count, epochs, rule=rule, labels=labels, class_floor=class_floor, cover=cover)
        if cover is not None and keep_end is not None:
            raise InvalidValueError(f"keep_end: expected None beside cover, got {keep_end}")
        self._schedule = partial(
            keep_at,
            keep=keep if cover is None else LEAST_COVERED,
            keep_end=keep_end,
            dense_start=dense_start,
            dense_end=dense_end,
        )
        self._schedule(0)  # checks its arguments
        own = max(1, count // ranks.size)
        least = (
            min(keep, keep_end or 1)
            if cover is None
            else max(LEAST_COVERED, min(1, batch_size / own))
        )
        self._period = check_readmission(own, least, batch_size, readmit) // 2
        super().__init__(count, seed, ranks)
        self._together, self._by_losses = ranks, rule != "random"
        self._epochs = epochs
        self._cover = cover
        self.exact = cover is None
        self._batch_size = batch_size
        self._rule, self._floor = partial(shares_sparing_held, PLANS[rule]), class_floor
        self._labels = None if labels is None or not class_floor else self._part(labels)
        self._storage = PlanStorage(self._total, self._own_path(path))
        self.epoch = int(self._storage.epoch)

    def count(self, epoch: int) -> int:
        """Say how many samples an epoch loads.

        Args:
            epoch: from 0.

        Returns:
            `round(keep·N)`, at least 1, down to full batches; N in the dense epochs. With `cover`
            it is not known before, and N at most.
        """
        share = self._share(epoch)
        return self._full_batches(share * self._total) if self.exact else self._total

    def _share(self, epoch: int) -> float:
        """The keep ratio of an epoch; the least, with `cover`, but in dense epochs."""
        return self._schedule(min(epoch, self._epochs - 1) / self._epochs)

    def _full_batches(self, count: float) -> int:
        """Down to full batches, at least one; everything stays everything."""
        kept = round(min(count, self._total))
        batches = max(1, kept // self._batch_size) * self._batch_size
        return kept if kept == self._total else batches

    def hold_back(self, index: Tensor) -> None:
        """Load samples no more until their turn to be loaded again comes, or no others are left.

        A class floor counts them as samples of their class, and may ask for them before that.

        Args:
            index: `(B,)`, int64, places in the data set, each once; such as `Suspects.record`
                names. What is recorded of one later lets it go.

        Raises:
            InvalidValueError: where shape or places do not fit.

        Examples:
            >>> plan = SkipPlan(10, keep=0.5, epochs=3, dense_start=0)
            >>> plan.hold_back(torch.tensor([0, 1, 2, 3, 4]))
            >>> sorted(plan)
            [5, 6, 7, 8, 9]
        """
        check_places(index, self._all)
        self._storage.levels[self._own(index.cpu())] = HELD

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state, also in the middle of an epoch.

        Returns:
            `levels` and `ages`, `(N,)` each, uint8, but for a plan in a file, which is written
            instead; `epoch`; and within an epoch `bits`, what it loads, its `size`, and what of it
            is `pending` and `left`.
        """
        if self._storage.mapped:
            self._storage.flush()
            return self._progress_state()
        state = {"levels": self._storage.levels.clone(), "ages": self._storage.ages.clone()}
        return state | self._progress_state()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave; the next pass goes on where it was.

        Args:
            state: the tensors by name, of as many samples.

        Raises:
            InvalidValueError: where one is missing or of another number of samples, or where a
                plan's file has gone on to another epoch since the state was copied. Opened by its
                path alone, it begins the epoch that it was in anew.
        """
        held = {} if self._storage.mapped else self._storage.parts()
        begun = int(self._storage.epoch)
        if self._storage.mapped and int(state.get("epoch", begun)) != begun:
            expected = f"that of epoch {begun}, where the plan's file stands (it goes on by itself)"
            raise InvalidValueError(f"state: expected {expected}, got {int(state['epoch'])}")
        self._load_progress(state, held)
        for name, part in held.items():
            part.copy_(state[name])

    def _own_path(self, path: Path | str | None) -> Path | None:
        """This rank's own file: `plan.bytes.1` for rank 1 of several."""
        suffix = f".{self._rank}" if self._ranks > 1 else ""
        return None if path is None else Path(f"{path}{suffix}")

    def _part(self, labels: Tensor) -> Tensor:
        """This rank's of what there is one of for each sample."""
        narrow = torch.uint8 if int(labels.max()) < 256 else torch.int32
        return labels[self._rank :: self._ranks][: self._total].to("cpu", narrow)

    def _note(self, index: Tensor, losses: Tensor) -> None:
        known = ~losses.isnan()  # NaN: of a row that left at a gate, which tells nothing of it
        self._storage.levels[index[known]] = loss_to_level(losses[known])

    def _close(self, bits: Tensor) -> None:
        for start in range(0, self._total, CHUNK):
            ages = self._storage.ages[start : start + CHUNK]
            kept = flags_of(bits[start // 8 : (start + CHUNK) // 8], len(ages))
            ages.copy_((ages.clamp_max(OLDEST - 1) + 1).where(~kept, 0))
            self._storage.release()
        self._storage.epoch.fill_(self.epoch + 1)

    def _draw(self) -> tuple[Tensor, int]:
        count = self.count(self.epoch)
        groups = 1 if self._labels is None else int(self._labels.max()) + 1
        counts = count_levels(self._chunks, groups * LEVELS).view(groups, LEVELS)
        share = self._share(self.epoch)
        if self._cover is not None and share < 1:
            covering = self._covering(counts.sum(0), self._cover)
            count = self._full_batches(max(share * self._total, covering) + self._batch_size - 1)
        shares = torch.ones(groups * LEVELS)
        if count < self._total:
            shares = shares_with_floor(self._rule, counts, count, self._floor).flatten()
        generator = self._generator(2)
        return draw_levels(self._chunks, shares, count, generator), count

    def _covering(self, counts: Tensor, cover: float) -> int:
        """How many samples hold that part of the loss; of several ranks the same on each."""
        ranks = self._together
        joint = ranks.sum(counts.to(ranks.device))[0].cpu()
        return math.ceil(count_covering(joint, cover) / ranks.size)

    def _chunks(self) -> Iterator[Tensor]:
        """The levels, piece by piece; a sample whose turn has come counts as not known."""
        for start in range(0, self._total, CHUNK):
            piece = slice(start, start + CHUNK)
            levels = self._storage.levels[piece].clone()
            turn = slice((self.epoch - start) % self._period, None, self._period)
            overdue = self._storage.ages[piece][turn] >= min(self._period, OLDEST)
            levels[turn] = levels[turn].where(~overdue, UNKNOWN)
            self._storage.release()
            yield levels if self._labels is None else self._labels[piece].int() * LEVELS + levels
