"""A sampler that chooses each epoch anew: how an epoch begins, goes on after a stop, and ends."""

import warnings
from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from imprint.counts import check_count
from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.ranks import ALONE, Ranks
from imprint.skipping.checks import check_record, kinds_of
from imprint.skipping.levels import clear_flags, flags_at, flags_of
from imprint.skipping.permutation import permuted

__all__ = ["EpochSampler"]

UNHEARD = 2
"""Passes that left samples out, and not one loss yet, after which a plan warns."""


class EpochSampler(Sampler[int]):
    """Give the rows that each epoch loads; what they are is for a subclass to say.

    A pass gives what the epoch loads and is not yet recorded, so that one that was broken off goes
    on where it was. An epoch ends when all that it loaded is recorded, or, where a whole pass was
    given, when the next one begins.

    Under `torchrun` each rank has every so-manieth sample of the data set, and chooses among them
    by itself; all ranks load as many, so that they stay in step.

    Args:
        total: N, the samples of the data set.
        seed: of order and choice.
        ranks: the processes that share the data set.

    Attributes:
        epoch: the epoch that is under way, or begins next.
    """

    exact = True
    """Whether the number of samples is known for each epoch before it begins."""

    _by_losses = True
    """Whether it chooses by the losses that it is told."""

    _batch_size = 1
    """Of which an epoch loads full batches; fewer that are left are dropped by the loader."""

    rate = 1.0
    """What the learning rate is multiplied by in the epoch under way."""

    def __init__(self, total: int, seed: int, ranks: Ranks = ALONE) -> None:
        self.epoch = 0
        if total < ranks.size:
            raise InvalidValueError(f"count: expected at least a sample a rank, got {total}")
        check_count("seed", seed, 0)
        self._rank, self._ranks = ranks.rank, ranks.size
        self._total, self._all, self._seed = total // ranks.size, total, seed
        self._bits: Tensor | None = None  # what the epoch under way loads
        self._pending = torch.zeros(0, dtype=torch.uint8)  # and what of it is not yet recorded
        self._size = self._left = self._given = 0  # samples: of the epoch, pending, of this pass
        self._passed = False
        self._heard, self._unheard = False, 0  # of any loss; passes until then

    @abstractmethod
    def count(self, epoch: int) -> int:
        """Say how many samples an epoch loads."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave."""

    @abstractmethod
    def _draw(self) -> tuple[Tensor, int]:
        """Choose for the epoch that begins: which samples, as bits, and how many."""

    @abstractmethod
    def _note(self, index: Tensor, losses: Tensor) -> None:
        """Remember losses of this rank's own samples, both on the CPU."""

    def _close(self, bits: Tensor) -> None:
        """Take leave of an epoch that loaded these."""

    def __len__(self) -> int:
        if self._bits is not None and not self._passed:
            return self._given
        return self.count(self.epoch + self._passed)

    def __iter__(self) -> Iterator[int]:
        if self._passed:
            self._warn_unheard()
            self.advance()
        self._begin()
        self._given = self._left
        yield from self._order(self._pending)  # what is recorded meanwhile has been given
        self._passed = self._bits is not None  # unless the last record has ended it already

    @property
    def samples(self) -> int:
        """N, the samples of the data set."""
        return self._all

    @property
    def under_way(self) -> bool:
        """Whether an epoch has begun and not ended."""
        return self._bits is not None

    def kept(self) -> Tensor:
        """Say which samples the epoch under way loads; it begins with this where none is.

        Returns:
            `(N,)`, bool, exactly `count(self.epoch)` of them true; of all ranks' samples only this
            rank's own.
        """
        flags = torch.zeros(self._all, dtype=torch.bool)
        own = flags_of(self._begin(), self._total)
        flags[self._rank :: self._ranks][: self._total] = own
        return flags

    def weights(self, index: Tensor) -> Tensor | None:  # noqa: ARG002 - a subclass's
        """Say how much the losses of a batch count in the epoch under way.

        Args:
            index: `(B,)`, int64, places in the data set.

        Returns:
            `(B,)`, float32, or None for 1 each.
        """
        return None

    def rescored(self) -> Tensor | None:
        """Say which samples run forward without gradient at the end of the epoch under way.

        Returns:
            `(N,)`, bool, or None where the rule asks for none.
        """
        return None

    def record(self, index: Tensor, losses: Tensor) -> None:
        """Note the losses of a batch that was trained on.

        Args:
            index: `(B,)`, int64, places in the data set, each once.
            losses: `(B,)`, floats, each sample's own.

        Raises:
            InvalidValueError: where shapes or places do not fit, the losses are reduced already, or
                the loader gave what this epoch does not load.
        """
        check_record(index, losses, self._all)
        own = self._own(index.cpu())
        self._check_pending(own)
        self._heard = True
        self._note(own, losses.detach().cpu())
        if self._pending is self._bits:
            self._pending = self._pending.clone()
        clear_flags(self._pending, own)
        self._left -= len(own)
        if not self._left:
            self.advance()

    def note(self, index: Tensor, losses: Tensor) -> None:
        """Note losses that come from elsewhere than a training step, such as an earlier training.

        Args:
            index: `(B,)`, int64, places in the data set, each once.
            losses: `(B,)`, floats, each sample's own.

        Raises:
            InvalidValueError: where shapes or places do not fit.
        """
        check_record(index, losses, self._all)
        self._heard = True
        self._note(self._own(index.cpu()), losses.detach().cpu())

    def advance(self) -> None:
        """End the epoch under way; a loop that records, or passes over the sampler, need not."""
        self._close(self._begin())
        self.epoch += 1
        self._bits, self._passed = None, False

    def _warn_unheard(self) -> None:
        """Tell a loop that never records: a plan that hears nothing draws by chance."""
        if self._heard or not self._by_losses or self._size == self._total:
            return
        self._unheard += 1
        if self._unheard == UNHEARD:
            what = f"{UNHEARD} epochs were passed over and no loss recorded"
            warnings.warn(
                f"plan: {what}, so that it draws by chance: is `plan.record` missing?",
                stacklevel=3,
            )

    def _own(self, index: Tensor) -> Tensor:
        """Places in the data set as this rank counts its own samples."""
        if self._ranks == 1:
            return index
        if len(index) and bool((index % self._ranks != self._rank).any()):
            got = int(index[index % self._ranks != self._rank][0])
            expected = f"places of rank {self._rank} of {self._ranks}"
            raise InvalidValueError(f"index: expected {expected}, got {got}")
        return index // self._ranks

    def _check_pending(self, own: Tensor) -> None:
        """Find a loader that does not follow the plan, at its first batch."""
        hint = "is it the loader's sampler, and the index the data set's?"
        if self._bits is None:
            raise InvalidValueError(f"plan: expected a pass over it before losses ({hint})")
        strange = own[~flags_at(self._pending, own)]
        if not len(strange):
            return
        place = int(strange[0]) * self._ranks + self._rank
        what = (
            "again" if bool(flags_at(self._bits, strange[:1])) else "which this epoch does not load"
        )
        raise InvalidValueError(
            f"index: expected what the plan gave, each sample once ({hint}); got {place} {what}"
        )

    def _begin(self) -> Tensor:
        """The bits of the epoch under way; drawn where it has not begun."""
        if self._bits is None:
            self._bits, self._size = self._draw()
            self._pending, self._left = self._bits, self._size  # parted at the first record
            self._given = self._size
        return self._bits

    def _order(self, bits: Tensor) -> Iterator[int]:
        """Samples in the random order of the epoch under way, as places in the data set."""
        for places in permuted(self._total, self._generator(1)):
            own = places[flags_at(bits, places)]
            yield from (own * self._ranks + self._rank).tolist()

    def _generator(self, stream: int) -> torch.Generator:
        """Random numbers of this epoch, others for each stream and each rank."""
        apart = (self._rank,) if self._ranks > 1 else ()
        return generator_of(self._seed, self.epoch, stream, *apart)

    def _progress_state(self) -> dict[str, Tensor]:
        """The part of the state that says where the plan stands."""
        state = {"epoch": torch.tensor(self.epoch)}
        if self._ranks > 1:
            state["rank"] = torch.tensor([self._rank, self._ranks])
        if self._bits is not None:
            done = self._passed and self._left < self._batch_size  # the loader dropped the rest
            state |= {"passed": torch.tensor(done)}
            state |= {"bits": self._bits.clone(), "pending": self._pending.clone()}
            state |= {"size": torch.tensor(self._size), "left": torch.tensor(self._left)}
        return state

    def _load_progress(self, state: dict[str, Tensor], parts: dict[str, Tensor]) -> None:
        """Take over where a plan stood, after a check of the whole state, `parts` included."""
        number, bits = torch.tensor(0), torch.zeros(-(-self._total // 8), dtype=torch.uint8)
        expected = {"epoch": number} | parts
        if self._ranks > 1:
            expected["rank"] = torch.tensor([self._rank, self._ranks])
        if "bits" in state:
            expected |= {"bits": bits, "pending": bits, "size": number, "left": number}
            expected["passed"] = torch.tensor(False)  # noqa: FBT003 - a flag's kind
        shapes, wanted = kinds_of(state), kinds_of(expected)
        if shapes != wanted:
            raise InvalidValueError(f"state: expected {wanted}, got {shapes}")
        if self._ranks > 1 and state["rank"].tolist() != [self._rank, self._ranks]:
            got = "rank {} of {}".format(*state["rank"].tolist())
            wanted_rank = f"rank {self._rank} of {self._ranks}"
            raise InvalidValueError(f"state: expected that of {wanted_rank}, got {got}")
        if int(state["epoch"]) < 0:
            raise InvalidValueError(f"state: expected an epoch from 0, got {int(state['epoch'])}")
        self._heard = True
        self.epoch, self._passed = int(state["epoch"]), bool(state.get("passed", False))
        self._bits = state["bits"].cpu().clone() if "bits" in state else None
        self._pending = state.get("pending", bits).cpu().clone()
        self._size, self._left = int(state.get("size", 0)), int(state.get("left", 0))
        self._given = self._left
