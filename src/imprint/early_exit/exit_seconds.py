"""The seconds that an exit itself takes, with caches as cold as the network leaves them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from imprint.early_exit.exits import early_exits
from imprint.taps import clock_of, guest, take_turns

__all__ = ["Answer", "exit_seconds", "rest_of_network", "seconds_a_sample"]

Answer = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From maps to logits, and how sure they are."""

OTHER = 20_000_000
"""Numbers that take the maps' place in the caches, as the rest of a network does."""


def rest_of_network(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """Make what stands for the rest of a network between two measurements of an exit.

    Args:
        model: any `nn.Module`; it is left as it was.
        images: `(N, C, H, W)`, of which one runs.

    Returns:
        A function after which caches hold the network's own numbers, and no longer the maps.

    Examples:
        >>> rest_of_network(nn.Flatten(), torch.zeros(2, 1, 2, 2))()
    """
    other = torch.zeros(OTHER, device=images.device)

    def run() -> None:
        with guest(model):
            model(images[:1])
        other.add_(1)

    return run


class _Passing(nn.Module):
    """Gives logits of the rows that a layer lets through, and does nothing else."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self._logits = logits

    def forward(self, maps: Tensor) -> Tensor:
        return self._logits[: len(self.layer(maps))]


@dataclass(frozen=True, eq=False)
class _Timed:
    """An exit at that layer."""

    shape: tuple[int, ...]
    threshold: float
    answer: Answer
    layer: str = "layer"

    def to(self, _device: torch.device) -> Self:
        return self


@torch.inference_mode()
def exit_seconds(
    maps: Tensor,
    answer: Answer,
    between: Callable[[], Any] = lambda: None,
    *,
    leaving: float = 0.5,
) -> float:
    """Measure what an exit costs: to answer, to let rows go on, and to join the answers.

    Args:
        maps: `(N, ...)`, of a layer; a single one goes on.
        answer: gives logits `(N, K)` and how sure they are, `(N,)`.
        between: what runs between, as the network does, and leaves its own data in the caches.
        leaving: share of the rows that leave there, in [0, 1).

    Returns:
        The fastest of a few, in seconds.

    Examples:
        >>> exit_seconds(torch.ones(4, 3), lambda maps: (maps, maps[:, 0])) > 0
        True
    """
    logits, sureness = answer(maps)
    clock, network = clock_of(maps.device), _Passing(logits).eval()
    leaves = leaving and len(maps) > 1
    threshold = float(sureness.float().quantile(1 - leaving)) if leaves else torch.inf

    def run() -> float:
        between()
        start = clock()
        network(maps)
        return clock() - start

    alone = min(take_turns({"": run}, seconds=0, clock=clock)[""])
    with early_exits(network, [_Timed(tuple(maps.shape[1:]), threshold, answer)]):
        opened = min(take_turns({"": run}, seconds=0, clock=clock)[""])
    return max(opened - alone, 0.0)


def seconds_a_sample(
    maps: Sequence[Tensor],
    answers: Sequence[Answer],
    between: Callable[[], Any],
    *,
    leaving: float = 0.5,
) -> Tensor:
    """Measure what an exit at each of L layers costs a sample.

    Args:
        maps: L, of a batch at each layer.
        answers: L, of the exit there.
        between: as for `exit_seconds`.
        leaving: likewise.

    Returns:
        `(L,)`.

    Examples:
        >>> maps = torch.ones(4, 3)
        >>> seconds_a_sample([maps], [lambda maps: (maps, maps[:, 0])], lambda: None).shape
        torch.Size([1])
    """
    seconds = [
        exit_seconds(own, answer, between, leaving=leaving) / len(own)
        for own, answer in zip(maps, answers, strict=True)
    ]
    return torch.tensor(seconds)
