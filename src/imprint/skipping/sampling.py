"""A sampler that chooses each epoch anew: how an epoch begins, goes on after a stop, and ends."""

import itertools
from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Sampler

from imprint.data.seeds import generator_of
from imprint.errors import InvalidValueError
from imprint.skipping.levels import flags_at, flags_of
from imprint.skipping.permutation import permuted

__all__ = ["EpochSampler"]


class EpochSampler(Sampler[int]):
    """Give the rows that each epoch loads; what they are is for a subclass to say.

    An epoch ends when all that it loaded is recorded, or when the next pass begins.

    Args:
        total: N, the samples of the data set.
        seed: of order and choice.

    Attributes:
        epoch: the epoch that is under way, or begins next.
    """

    def __init__(self, total: int, seed: int) -> None:
        self.epoch = 0
        self._total, self._seed = total, seed
        self._bits: Tensor | None = None  # what the epoch under way loads
        self._size = self._recorded = self._resumed = 0  # its samples; those done, here or before
        self._passed = False

    exact = True
    """Whether the number of samples is known for each epoch before it begins."""

    rate = 1.0
    """What the learning rate is multiplied by in the epoch under way."""

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
        """Remember losses, both on the CPU."""

    def _close(self, bits: Tensor) -> None:
        """Take leave of an epoch that loaded these."""

    def __len__(self) -> int:
        if self._bits is not None and not self._passed:
            return self._size - self._resumed
        return self.count(self.epoch + self._passed)

    def __iter__(self) -> Iterator[int]:
        if self._passed:
            self.advance()
        start, self._recorded, self._resumed = self._resumed, self._resumed, 0
        yield from itertools.islice(self._order(), start, None)
        self._passed = self._bits is not None  # unless the last record has ended it already

    def kept(self) -> Tensor:
        """Say which samples the epoch under way loads; it begins with this where none is.

        Returns:
            `(N,)`, bool, exactly `count(self.epoch)` of them true.
        """
        return flags_of(self._begin(), self._total)

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
            index: `(B,)`, int64, places in the data set.
            losses: `(B,)`, floats, each sample's own.

        Raises:
            InvalidValueError: where shapes or places do not fit.
        """
        _check_record(index, losses, self._total)
        self._note(index.cpu(), losses.detach().cpu())
        self._recorded += len(index)
        if self._bits is not None and self._recorded >= self._size:
            self.advance()

    def advance(self) -> None:
        """End the epoch under way; a loop that records, or passes over the sampler, need not."""
        self._close(self._begin())
        self.epoch += 1
        self._bits, self._recorded, self._resumed, self._passed = None, 0, 0, False

    def _begin(self) -> Tensor:
        """The bits of the epoch under way; drawn where it has not begun."""
        if self._bits is None:
            self._bits, self._size = self._draw()
        return self._bits

    def _order(self) -> Iterator[int]:
        """What the epoch under way loads, in a random order."""
        bits = self._begin()
        for places in permuted(self._total, generator_of(self._seed, self.epoch, 1)):
            yield from places[flags_at(bits, places)].tolist()

    def _progress_state(self) -> dict[str, Tensor]:
        """The part of the state that says where the plan stands."""
        state = {"epoch": torch.tensor(self.epoch)}
        if self._bits is not None:
            state["bits"] = self._bits.clone()
            state |= {"size": torch.tensor(self._size), "done": torch.tensor(self._recorded)}
        return state

    def _load_progress(self, state: dict[str, Tensor], parts: dict[str, Tensor]) -> None:
        """Take over where a plan stood, after a check of the whole state, `parts` included."""
        number = torch.tensor(0)
        expected = {"epoch": number} | parts
        if "bits" in state:
            bits = torch.zeros(-(-self._total // 8), dtype=torch.uint8)
            expected |= {"bits": bits, "size": number, "done": number}
        shapes, wanted = _kinds(state), _kinds(expected)
        if shapes != wanted:
            raise InvalidValueError(f"state: expected {wanted}, got {shapes}")
        self.epoch, self._passed = int(state["epoch"]), False
        self._bits = state["bits"].cpu().clone() if "bits" in state else None
        self._size = int(state.get("size", 0))
        self._recorded = self._resumed = int(state.get("done", 0))


def _kinds(state: dict[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(value.shape), value.dtype) for name, value in state.items()}


def _check_record(index: Tensor, losses: Tensor, total: int) -> None:
    if index.ndim != 1 or losses.shape != index.shape or index.dtype != torch.int64:
        expected = "(B,) of torch.int64 and (B,)"
        got = f"{tuple(index.shape)} of {index.dtype} and {tuple(losses.shape)}"
        raise InvalidValueError(f"index, losses: expected {expected}, got {got}")
    if len(index) and not 0 <= index.min() <= index.max() < total:
        got = f"{int(index.min())} … {int(index.max())}"
        raise InvalidValueError(f"index: expected places in 0 … {total - 1}, got {got}")
