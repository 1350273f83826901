"""Published methods as a plan: they ask for the last losses as they were, in 20 bytes a sample."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.checks import is_count
from imprint.skipping.published.early_stopping import mastered
from imprint.skipping.published.infobatch import prune
from imprint.skipping.published.kakurenbo import fraction_at, hide, rate_factor
from imprint.skipping.published.orderdp import top_of_pool
from imprint.skipping.sampling import EpochSampler
from imprint.skipping.schedules import keep_at

__all__ = ["HISTORY_RULES", "HistoryPlan", "HistoryRule"]

REMEMBERED = 5
"""Last losses of each sample: early stopping takes the mean of three second differences."""

EXPLORED = 0.6
"""What OrderDP keeps of the pool that it draws, as published: 0.3 of all samples out of 0.5."""

MASTERED = 1e-3
"""The second difference of a loss up to which early stopping holds a sample for mastered."""

DENSE_END = 0.125
"""The share of epochs at the end, rounded up, in which InfoBatch loads everything."""

ROUNDING = 1e-9
"""Shares of epochs do not sum up to the last bit."""

MOST_PRUNED = 0.9
"""The share of the samples below the mean loss that InfoBatch leaves out at most."""


class Choice(NamedTuple):
    """What an epoch does with each sample.

    Attributes:
        kept: `(N,)`, bool: trained on.
        weights: `(N,)`, float32, of their losses; None for 1 each.
        rescored: whether the others run forward without gradient, so that their losses are known.
        rate: what the learning rate is multiplied by.
    """

    kept: Tensor
    weights: Tensor | None = None
    rescored: bool = False
    rate: float = 1.0


class Evidence(NamedTuple):
    """What a rule may decide on.

    Attributes:
        history: `(5, N)`, float32, the last losses, the newest first; infinite where not known.
        keep: the keep ratio that the user asks for, in (0, 1].
        progress: the share of the training that is done, in [0, 1).
        length: the share of it that the epoch is, in (0, 1].
        generator: for the rule's random numbers.
    """

    history: Tensor
    keep: float
    progress: float
    length: float
    generator: torch.Generator


@dataclass(frozen=True)
class HistoryRule:
    """A published rule.

    Args:
        choose: from the evidence to what an epoch does.
        exact: whether it keeps exactly the share that it is asked for.
    """

    choose: Callable[[Evidence], Choice]
    exact: bool = False


def _infobatch(evidence: Evidence) -> Choice:
    """Everything in the last eighth; before, of what lies below the mean loss a share goes."""
    losses = evidence.history[0]
    if evidence.progress + evidence.length > 1 - DENSE_END + ROUNDING:
        return Choice(torch.ones_like(losses, dtype=torch.bool))
    ratio = min(MOST_PRUNED, 1 - evidence.keep)
    kept, weights = prune(losses, ratio=ratio, generator=evidence.generator)
    return Choice(kept, weights)


def _orderdp(evidence: Evidence) -> Choice:
    losses, generator = evidence.history[0], evidence.generator
    explore = min(1.0, evidence.keep / EXPLORED)
    kept = top_of_pool(losses, keep=evidence.keep, explore=explore, generator=generator)
    return Choice(kept)


def _kakurenbo(evidence: Evidence) -> Choice:
    fraction = fraction_at(evidence.progress, fraction=1 - evidence.keep)
    hidden = hide(evidence.history[0], fraction=fraction)
    return Choice(~hidden, rescored=True, rate=rate_factor(fraction))


def _early_stopping(evidence: Evidence) -> Choice:
    return Choice(~mastered(evidence.history, delta=MASTERED), rescored=True)


HISTORY_RULES: dict[str, HistoryRule] = {
    "infobatch": HistoryRule(_infobatch),
    "orderdp": HistoryRule(_orderdp, exact=True),
    "kakurenbo": HistoryRule(_kakurenbo),
    "early-stopping": HistoryRule(_early_stopping),
}
"""Published rules of a plan by name; a new one is registered here."""


class HistoryPlan(EpochSampler):
    """Choose what each epoch loads by a published method; a sampler like `SkipPlan`.

    Args:
        count: N, the samples of the data set.
        keep: in (0, 1]. OrderDP keeps that share of all samples, InfoBatch of those below the mean
            loss; KAKURENBO hides at most the rest; early stopping does not ask for it.
        epochs: of the whole training.
        rule: `infobatch`, `orderdp`, `kakurenbo` or `early-stopping`.
        dense_start: the share of the epochs, at the start, that load everything; the first one
            always does.
        dense_end: likewise, those that begin in the last share; a method may ask for more.
        batch_size: an epoch that leaves samples out loads a whole multiple of it, at least one.
        seed: of order and choice.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> plan = HistoryPlan(100, keep=0.4, epochs=3, rule="orderdp")
        >>> rows = torch.tensor(list(plan))
        >>> plan.record(rows, torch.rand(len(rows)))
        >>> len(rows), len(plan)
        (100, 40)
    """

    def __init__(
        self,
        count: int,
        *,
        keep: float,
        epochs: int,
        rule: str,
        dense_start: float = 0.05,
        dense_end: float = 0.0,
        batch_size: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(count, seed)
        if rule not in HISTORY_RULES:
            expected = ", ".join(HISTORY_RULES)
            raise InvalidValueError(f"rule: expected one of {expected}, got {rule!r}")
        self._schedule = partial(keep_at, keep=keep, dense_start=dense_start, dense_end=dense_end)
        self._schedule(0)  # checks its arguments
        if not all(map(is_count, (count, epochs, batch_size))) or batch_size > count:
            got = f"{count!r}, {epochs!r}, {batch_size!r}"
            raise InvalidValueError(f"count, epochs, batch_size: expected 1 or more, got {got}")
        self.rule = HISTORY_RULES[rule]
        self.exact = self.rule.exact
        self._keep, self._epochs, self._batch_size = keep, epochs, batch_size
        self._history = torch.full((REMEMBERED, count), torch.inf)
        self._choice = Choice(torch.ones(count, dtype=torch.bool))

    def count(self, epoch: int) -> int:
        """Say how many samples an epoch loads.

        Args:
            epoch: from 0.

        Returns:
            N in dense epochs and `round(keep·N)`, down to full batches, in others; of a rule that
            is not exact, N: it may load any number up to that.
        """
        kept = round(self._share(epoch) * self._total)
        if kept == self._total or not self.exact:
            return self._total
        return max(1, kept // self._batch_size) * self._batch_size

    def _share(self, epoch: int) -> float:
        """The keep ratio of an epoch; nothing is known in the first."""
        return self._schedule(min(epoch, self._epochs - 1) / self._epochs) if epoch else 1.0

    def weights(self, index: Tensor) -> Tensor | None:
        """Say how much the losses of a batch count in the epoch under way.

        Args:
            index: `(B,)`, int64, places in the data set.

        Returns:
            `(B,)`, float32, or None for 1 each.
        """
        weights = self._choice.weights
        return None if weights is None else weights[index.cpu()].to(index.device)

    def rescored(self) -> Tensor | None:
        """Say which samples run forward without gradient at the end of the epoch under way.

        Returns:
            `(N,)`, bool, or None where the method asks for none.
        """
        self._begin()
        return ~self._choice.kept if self._choice.rescored else None

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state, also in the middle of an epoch.

        Returns:
            `history`, `(5, N)`; where the plan stands within an epoch; and of its choice
            `weights`, `(N,)` or empty, `rescored` and `rate`.
        """
        return {"history": self._history.clone()} | self._progress_state() | self._choice_state()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave; the next pass goes on where it was.

        Args:
            state: the tensors by name, of as many samples.

        Raises:
            InvalidValueError: where one is missing or of another number of samples.
        """
        weights = state.get("weights", torch.empty(0))
        known = torch.empty(self._total if len(weights) else 0)
        choice = self._choice_state() | {"weights": known}
        self._load_progress(state, {"history": self._history} | choice)
        self._history.copy_(state["history"])
        kept = self.kept() if self._bits is not None else self._choice.kept
        rescored, rate = bool(state["rescored"]), float(state["rate"])
        self._choice = Choice(kept, weights.clone() if len(weights) else None, rescored, rate)
        self.rate = rate

    def _choice_state(self) -> dict[str, Tensor]:
        weights = self._choice.weights
        return {
            "weights": torch.empty(0) if weights is None else weights.clone(),
            "rescored": torch.tensor(self._choice.rescored),
            "rate": torch.tensor(self._choice.rate, dtype=torch.float64),
        }

    def _note(self, index: Tensor, losses: Tensor) -> None:
        self._history[1:, index] = self._history[:-1, index]
        self._history[0, index] = losses.float().nan_to_num(nan=torch.inf)

    def _draw(self) -> tuple[Tensor, int]:
        progress = min(self.epoch, self._epochs - 1) / self._epochs
        generator = self._generator(2)
        evidence = Evidence(self._history, self._keep, progress, 1 / self._epochs, generator)
        choice = self.rule.choose(evidence)
        if self._keep < 1 and self._share(self.epoch) == 1:  # dense
            choice = Choice(torch.ones(self._total, dtype=torch.bool))
        elif int(choice.kept.sum()) < self._batch_size:  # never an empty batch
            hardest = self._history[0].topk(self._batch_size).indices
            choice = choice._replace(kept=choice.kept.index_fill(0, hardest, value=True))
        choice = choice._replace(kept=self._full_batches(choice.kept, generator))
        self._choice, self.rate = choice, choice.rate
        return torch.from_numpy(np.packbits(choice.kept.numpy())), int(choice.kept.sum())

    def _full_batches(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        """Leave out, by chance, what would not fill a batch; an epoch of everything stays so."""
        rows = kept.nonzero()[:, 0]
        surplus = len(rows) % self._batch_size if len(rows) < self._total else 0
        left = rows[torch.randperm(len(rows), generator=generator)[:surplus]]
        return kept.index_fill(0, left, value=False)
