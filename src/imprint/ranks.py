"""Ranks: the processes of torch.distributed that train one network, each on a part of a batch.

The joint batch is rank 0's rows, then rank 1's, and so on. All that ranks tell each other is told
by one collective, the sum, since each backend has it on each of its devices. A rank that calls one
of these waits for the others: all must make the same calls in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from imprint.errors import InvalidValueError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

__all__ = ["ALONE", "Ranks", "unwrap"]


@dataclass(frozen=True)
class Ranks:
    """The processes that train together; one, where torch.distributed is absent or not begun.

    Args:
        group: the process group; None for the default one, with all processes.
        alone: whether this process heeds no other, whatever torch.distributed holds.

    Raises:
        InvalidValueError: for a group that this process is not in.

    Examples:
        >>> Ranks().size, Ranks().rank
        (1, 0)
    """

    group: "ProcessGroup | None" = None
    alone: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidValueError("group: expected one that this process is in, got another")

    @property
    def size(self) -> int:
        """How many processes there are, at least 1."""
        if self.alone or not dist.is_available() or not dist.is_initialized():
            return 1
        return dist.get_world_size(self.group)

    @property
    def rank(self) -> int:
        """This process's place among them, from 0."""
        return 0 if self.size == 1 else dist.get_rank(self.group)

    @property
    def device(self) -> torch.device:
        """Where tensors must lie that the ranks tell each other: NCCL serves GPUs alone."""
        nccl = self.size > 1 and dist.get_backend(self.group) == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")

    def sum(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Sum tensors over the ranks, each by itself, in one collective.

        Args:
            tensors: numbers of any type and shape, on one device; shapes the same on each rank.

        Returns:
            The sums, of the same types and shapes, the same to the bit on each rank; they are
            taken in float64. Alone, the tensors themselves.

        Examples:
            >>> Ranks().sum(torch.tensor([1.0, 2.0]))
            (tensor([1., 2.]),)
        """
        if self.size == 1:
            return tensors
        flat = torch.cat([tensor.detach().double().flatten() for tensor in tensors])
        dist.all_reduce(flat, group=self.group)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        pairs = zip(parts, tensors, strict=True)
        return tuple(part.view_as(tensor).to(tensor.dtype) for part, tensor in pairs)

    def gather_rows(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """Lay the rows of all ranks below each other, in the order of the ranks.

        Args:
            rows: `(N, …)`, this rank's.
            counts: N on each rank.

        Returns:
            `(sum of counts, …)`, the same on each rank. Alone, the rows themselves.

        Raises:
            InvalidValueError: where there are not as many rows as `counts` says.

        Examples:
            >>> Ranks().gather_rows(torch.eye(2), [2])
            tensor([[1., 0.],
                    [0., 1.]])
        """
        if len(counts) != self.size or len(rows) != counts[self.rank]:
            expected = f"{list(counts)} rows on the ranks"
            got = f"{len(rows)} on rank {self.rank} of {self.size}"
            raise InvalidValueError(f"rows: expected {expected}, got {got}")
        if self.size == 1:
            return rows
        start = sum(counts[: self.rank])
        table = rows.new_zeros(sum(counts), *rows.shape[1:])
        table[start : start + len(rows)] = rows  # all else is 0 here, so that the sum is exact
        return self.sum(table)[0]


ALONE = Ranks(alone=True)
"""A process by itself."""


def unwrap(model: nn.Module, layer: str) -> tuple[nn.Module, str]:
    """Take a model out of DistributedDataParallel, and a layer's name with it.

    A compiled model stays as it is; its layers are then also found by their names without it.

    Run within the wrapper, a forward pass may wait for other ranks; run on the model itself, it
    waits for none.

    Args:
        model: any `nn.Module`, wrapped or not.
        layer: a name out of the model's `named_modules()`, or out of the wrapper's.

    Returns:
        The model and the layer's name within it.

    Examples:
        >>> unwrap(nn.Sequential(nn.ReLU()), "0")[1]
        '0'
    """
    if not isinstance(model, DistributedDataParallel):
        compiled = f"_orig_mod.{layer}"
        return model, compiled if compiled in dict(model.named_modules()) else layer
    names = dict(model.module.named_modules())
    return model.module, layer if layer in names else layer.removeprefix("module.")
