"""A module that answers early by itself."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from torch import Tensor, nn

from imprint.early_exit.calibrated import EarlyExit

__all__ = ["WithExits"]

_OPENING = Lock()
"""Held while exits open or close."""


class WithExits(nn.Module):
    """A model that always answers early, for whatever takes a module: an attack, a server.

    Threads may call it at the same time: the exits are open while one of them does.

    Args:
        model: that the exits were calibrated for.
        exits: of the model.

    Examples:
        >>> import torch
        >>> from imprint.early_exit import Exit, Head
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> head = Head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), torch.zeros(2))
        >>> exits = EarlyExit((Exit("0", (2,), head, 3.0),))
        >>> WithExits(model, exits).eval()(torch.tensor([[9.0, 1.0]])).detach()
        tensor([[9., 1.]])
    """

    def __init__(self, model: nn.Module, exits: EarlyExit) -> None:
        super().__init__()
        self.model = model
        self.exits = exits
        self._callers = 0
        self._open = ExitStack()

    def forward(self, images: Tensor) -> Tensor:
        """Answer images: logits `(N, K)`, in the order of the rows."""
        with self._opened():
            answers: Tensor = self.model(images)
            return answers

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Hold the exits open: the first caller opens them, the last one closes them."""
        with _OPENING:
            if not self._callers:
                self._open.enter_context(self.exits(self.model))
            self._callers += 1
        try:
            yield
        finally:
            with _OPENING:
                self._callers -= 1
                if not self._callers:
                    self._open.close()
