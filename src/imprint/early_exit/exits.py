"""Early exits in any network: rows that a layer can answer leave there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from imprint.early_exit.answerers import AnyExit, Exits
from imprint.early_exit.first_network import FIRST
from imprint.early_exit.monitor import DriftMonitor
from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor, select_rows
from imprint.taps import held, row_filter, untraced

__all__ = ["Route", "early_exits"]


@dataclass(eq=False)
class Route:
    """Where the rows of one forward pass are answered.

    Attributes:
        taken: `(N,)`, int64, the number of each row's exit, that of all exits for the end.
    """

    ends: int
    taken: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    met: bool = False  # whether an exit ran
    _rows: Tensor | None = None  # of those that go on; None for all
    _all: Tensor | None = None  # where all rows are answered at once
    _answers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def answer(self, number: int, sure: Tensor, logits: Tensor) -> Tensor | None:
        """Note the rows that are answered.

        Args:
            number: of the exit.
            sure: `(M,)`, bool, of the rows that have come here.
            logits: `(M, K)`.

        Returns:
            `(R,)`, int64, the places among the M of those that go on; None for all.
        """
        self.met = True
        count = int(sure.sum())
        if self._rows is None:
            everywhere = number if 0 < count == len(sure) else self.ends
            self.taken = torch.full((len(sure),), everywhere, device=sure.device)
            if everywhere == number:  # nothing is to be put in order
                self._all = logits
                return self.taken[:0]
        if not count:
            return None
        places = sure.nonzero()[:, 0]
        rows = places if self._rows is None else self._rows[places]
        self.taken[rows] = number
        self._answers.append((rows, logits[places]))
        on = (~sure).nonzero()[:, 0]
        self._rows = on if self._rows is None else self._rows[on]
        return on

    def joined(self, logits: Tensor | None, dtype: torch.dtype) -> Tensor:
        """Put all answers in the order of the rows.

        Args:
            logits: `(R, K)`, of the rows that went to the end; None where none did.
            dtype: of the answers in that case.

        Returns:
            `(N, K)`, of the type of `logits`, where there are any.
        """
        if self._all is not None:
            return self._all.to(dtype)
        if self._rows is None:
            assert logits is not None  # noqa: S101 - without an exit all rows come to the end
            if not len(self.taken):
                self.taken = torch.full((len(logits),), self.ends, device=logits.device)
            return logits
        parts = list(self._answers)
        if logits is not None:
            parts.append((self._rows, logits))
        if len(classes := {values.shape[1] for _, values in parts}) > 1:
            got = " and ".join(map(str, sorted(classes)))
            raise InvalidValueError(f"exits: expected logits of the same classes, got {got}")
        rows = torch.cat([rows for rows, _ in parts])
        dtype = dtype if logits is None else logits.dtype
        values = torch.cat([values.to(dtype) for _, values in parts])
        return torch.empty_like(values).index_copy(0, rows, values)


class _AllAnsweredError(Exception):
    """Leaves a forward pass in which no row is left."""


_ROUTE: ContextVar[Route | None] = ContextVar("route", default=None)
"""Of the pass that runs in this thread; None where a layer runs outside of the model's own."""


@contextmanager
def early_exits(
    model: nn.Module,
    exits: Exits,
    on_route: Callable[[Route], None] = lambda _: None,
    monitor: DriftMonitor | None = None,
) -> Iterator[None]:
    """Let rows leave a model early while the block runs.

    Inside, `model(images)` gives logits `(N, K)` in the order of its rows. Rows that an exit is
    sure of leave the batch there, and where none is left the rest does not run. Gradients lead
    through whichever branch answers.

    Args:
        model: any `nn.Module` in eval mode that gives logits; put back as it was on exit, also
            after an error.
        exits: in the order in which the network runs them; a first network, in eval mode as
            well, comes first.
        on_route: called after each forward pass.
        monitor: watches the first exit; once it is alarmed, no exit answers any more, nor costs.

    Raises:
        LayerError: where a layer is missing or does not run, or the model has open exits, or an
            open gate, already.
        InvalidValueError: where the model is in train mode, its maps are of another shape than the
            exits were fitted to, or it gives no logits.

    Examples:
        >>> from imprint.early_exit import Exit, Head
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
        >>> head = Head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), torch.zeros(2))
        >>> routes = []
        >>> with early_exits(model, [Exit("0", (2,), head, 3.0)], routes.append):
        ...     logits = model(torch.tensor([[9.0, 1.0], [1.0, 1.0]]))
        >>> logits[0], routes[0].taken
        (tensor([9., 1.], grad_fn=...), tensor([0, 1]))
    """
    with held(model, "open exits"), ExitStack() as stack:
        forward, patched = model.forward, "forward" in model.__dict__
        behind = forward
        for number, own in enumerate(exits):
            choose = _chooser(number, own, monitor)
            if own.layer == FIRST:
                behind = _behind(forward, untraced(choose))
            else:
                stack.enter_context(row_filter(model, own.layer, choose))
        model.__dict__["forward"] = _routed(model, behind, exits, on_route)
        try:
            yield
        finally:
            if patched:
                model.__dict__["forward"] = forward
            else:
                del model.__dict__["forward"]


def _chooser(
    number: int, own: AnyExit, monitor: DriftMonitor | None
) -> Callable[[Tensor], Tensor | None]:
    """What chooses the rows that go on."""

    def choose(maps: Tensor) -> Tensor | None:
        nonlocal own
        route = _ROUTE.get()
        if route is None:
            return None
        if tuple(maps.shape[1:]) != own.shape:
            expected, got = own.shape, tuple(maps.shape[1:])
            raise InvalidValueError(
                f"images: expected maps {expected} at {own.layer!r}, as in calibration; got {got}"
            )
        if monitor is not None and monitor.alarmed:  # closed, an exit costs nothing
            route.met = True
            return None
        own = own.to(maps.device)
        logits, sureness = _answered(own, maps)
        sure = sureness >= own.threshold
        if monitor is not None and monitor.watch_exit(number, logits):
            sure = torch.zeros_like(sure)
        on = route.answer(number, sure, logits)
        if on is not None and not len(on):
            raise _AllAnsweredError
        return on

    return choose


def _behind(
    forward: Callable[..., Any], choose: Callable[[Tensor], Tensor | None]
) -> Callable[..., Any]:
    """The forward pass of the rows that a first network leaves."""

    def behind(*args: Any, **kwargs: Any) -> Any:
        given = (args, kwargs)
        images = first_tensor([*args, *kwargs.values()], "the model's input")
        on = choose(images)
        own, named = given if on is None else select_rows(given, on, len(images))
        return forward(*own, **named)

    return behind


def _answered(own: AnyExit, maps: Tensor) -> tuple[Tensor, Tensor]:
    """The exit's answers, in all their digits, which margins need.

    A layer that a first network shares with the model is no exit while the former runs.
    """
    token = _ROUTE.set(None)
    try:
        if not torch.is_autocast_enabled(maps.device.type):
            return own.answer(maps)
        with torch.autocast(maps.device.type, enabled=False):
            return own.answer(maps)
    finally:
        _ROUTE.reset(token)


def _routed(
    model: nn.Module,
    forward: Callable[..., Any],
    exits: Exits,
    on_route: Callable[[Route], None],
) -> Callable[..., Tensor]:
    """The model's forward pass with exits."""

    def routed(*args: Any, **kwargs: Any) -> Tensor:
        if model.training:
            raise InvalidValueError("model: expected one in eval mode, got one in train mode")
        route = Route(len(exits))
        token = _ROUTE.set(route)
        try:
            logits = _checked(forward(*args, **kwargs))
        except _AllAnsweredError:
            logits = None
        finally:
            _ROUTE.reset(token)
        if exits and not route.met:
            raise LayerError(
                f"layer {exits[0].layer!r}: expected it to run with its exit; a compiled model "
                "must run so first, before it runs without: torch.compiler.reset()"
            )
        answers = route.joined(logits, _usual_dtype(args, kwargs))
        on_route(route)
        return answers

    return routed


def _usual_dtype(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.dtype:
    """The type that a network's logits have as a rule: autocast's, or its input's."""
    images = first_tensor([*args, *kwargs.values()], "the model's input")
    if torch.is_autocast_enabled(images.device.type):
        return torch.get_autocast_dtype(images.device.type)
    return images.dtype if images.is_floating_point() else torch.float32


def _checked(output: Any) -> Tensor:
    logits = first_tensor(output, "the model")
    if logits.ndim != 2 or logits.shape[1] < 2 or not logits.is_floating_point():
        got = f"{tuple(logits.shape)} of {logits.dtype}"
        raise InvalidValueError(f"model: expected logits (N, K), K at least 2; got {got}")
    return logits
