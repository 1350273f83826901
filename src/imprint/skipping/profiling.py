"""Measure what a training step costs: plain, beside a plan, with a gate; nothing is changed."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor
from imprint.skipping.costs import GateCosts, StepCosts
from imprint.skipping.freezing import ProgressiveFreezing
from imprint.skipping.gate import SkipGate
from imprint.skipping.plan import SkipPlan
from imprint.taps import Clock, clock_of, forward_stamps, guest, hooked, take_turns

__all__ = ["profile", "unchanged"]


def profile(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    layers: Sequence[str] = (),
    keeps: Sequence[float] = (0.3, 0.7),
    optimizer: Optimizer | None = None,
    read: str | None = None,
    observe: Callable[[SkipGate], object] = lambda _: None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    seconds: float = 30.0,
    clock: Clock | None = None,
) -> StepCosts:
    """Measure a training step as it is, beside a plan, gated and frozen at each of some layers.

    The steps take turns, so that noise of the machine meets all alike, and of each the fastest
    counts: noise only adds. Afterwards weights, gradients, buffers, modes, the optimizer's state
    and the global random state are as they were, also after an error.

    Args:
        model: any `nn.Module` that gives logits `(N, K)`; all of it runs in train mode.
        images: `(N, C, H, W)`, a batch on the model's device, as the model takes it.
        labels: `(N,)`, int64.
        num_classes: K.
        layers: where gates stand, through which all data flow.
        keeps: the keep ratios at which steps with a gate run, each in (0, 1).
        optimizer: of the model's parameters; None takes SGD with momentum.
        read: a layer that is read beside a plan, as `imprint train` does for its report.
        observe: called after each forward pass with the gate; its time counts as the gate's own.
        autocast: gives the context of a forward pass in mixed precision.
        seconds: after which no new round of turns begins, once there were five.
        clock: gives the time in seconds; None takes the machine's.

    Returns:
        The seconds.

    Raises:
        InvalidValueError: where images and labels differ in number, or a keep ratio is out of
            range.
        LayerError: for a layer that is missing or through which not all data flow.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> images, labels = torch.rand(8, 1, 2, 2), torch.tensor([0, 1] * 4)
        >>> costs = profile(model, images, labels, num_classes=2, layers=["0"], seconds=0)
        >>> sorted(costs.gates), costs.whole > costs.forward > 0
        (['0'], True)
    """
    _check(images, labels, keeps)
    optimizer = optimizer or SGD(model.parameters(), lr=0.0, momentum=0.9)
    now = clock or clock_of(images.device)
    bench = _Bench(model, images, labels, optimizer, observe, autocast, now)

    def gate(layer: str, keep: float, rule: str) -> SkipGate:
        return SkipGate(model, layer=layer, num_classes=num_classes, keep=keep, rule=rule)

    # Gates that only read keep every row, and so may stand at any layer that runs.
    reading = None if read is None else gate(read, 1.0, "cosine")
    actions: dict[Hashable, Callable[[], _Times]] = {
        "plain": bench.step,
        "forward": partial(bench.forward, layers),
        "plan": partial(bench.note, SkipPlan(len(labels), keep=0.5, epochs=2), reading),
    }
    for layer in layers:
        for keep in sorted(set(keeps)):
            actions[layer, keep] = partial(bench.step, gate(layer, keep, "imprint"))
        with suppress(LayerError):  # nothing to freeze before it, or nothing left to train behind
            freezing = ProgressiveFreezing(model, images, {layer: 0.0})
            actions["frozen", layer] = partial(bench.frozen, freezing)
    with unchanged(model, optimizer):
        times = take_turns(actions, seconds=seconds, clock=now)
    return _costs({name: _fastest(times[name]) for name in times}, layers, len(labels))


def _check(images: Tensor, labels: Tensor, keeps: Sequence[float]) -> None:
    if len(images) != len(labels):
        raise InvalidValueError(f"labels: expected {len(images)}, one an image, got {len(labels)}")
    for keep in keeps:
        if not 0 < keep < 1:
            raise InvalidValueError(f"keeps: expected shares in (0, 1), got {keep}")


class _Times(NamedTuple):
    """Seconds of one turn; `stay` is the share of rows that it kept, `stamps` those by layer."""

    whole: float
    own: float = 0.0
    stay: float = 1.0
    stamps: tuple[float, ...] = ()


@dataclass
class _Bench:
    """A model, a batch and a clock: what is timed."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    optimizer: Optimizer
    observe: Callable[[SkipGate], object]
    autocast: Callable[[], AbstractContextManager[Any]]
    now: Clock
    places: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.places = torch.arange(len(self.labels))

    def step(self, gate: SkipGate | None = None) -> _Times:
        """Forward, backward and update."""
        start = self.now()
        logits, labels, own = self._gated(gate) if gate else (self._logits(), self.labels, 0.0)
        loss = F.cross_entropy(logits, labels)
        float(loss.detach())  # a trainer looks at each loss, for which a GPU must be done
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return _Times(self.now() - start, own, len(labels) / len(self.labels))

    def frozen(self, freezing: ProgressiveFreezing) -> _Times:
        """Forward, backward and update of what is not frozen."""
        with freezing.at(1.0):
            return self.step()

    @torch.no_grad()
    def note(self, plan: SkipPlan, gate: SkipGate | None) -> _Times:
        """What a plan adds to a step, by itself."""
        logits, labels, own = self._gated(gate) if gate else (self._logits(), self.labels, 0.0)
        start = self.now()
        plan.note(self.places, F.cross_entropy(logits, labels, reduction="none"))
        return _Times(own + self.now() - start)

    def forward(self, layers: Sequence[str]) -> _Times:
        """The forward pass alone."""
        with self.autocast():
            *stamps, whole = forward_stamps(self.model, self.images, layers, clock=self.now)
        return _Times(whole, stamps=tuple(stamps))

    def _gated(self, gate: SkipGate) -> tuple[Tensor, Tensor, float]:
        """Logits and labels of the rows that stay, and the seconds that the gate itself took.

        Hooks run in the order in which they come: one before the gate's, one after it.
        """
        marks: list[float] = []

        def mark(*_: Any) -> None:
            marks.append(self.now())

        first, last = (hooked(self.model, gate.layer, mark) for _ in range(2))
        with first, gate(self.labels), last:
            logits = self._logits()
        seen = self.now()
        self.observe(gate)
        return logits, gate.labels, marks[-1] - marks[-2] + self.now() - seen

    def _logits(self) -> Tensor:
        with self.autocast():
            return first_tensor(self.model(self.images), "the model's output").float()


def _fastest(turns: Iterable[_Times]) -> _Times:
    """Of each part the least seconds; the mean share of rows."""
    turns = list(turns)
    return _Times(
        min(turn.whole for turn in turns),
        min(turn.own for turn in turns),
        sum(turn.stay for turn in turns) / len(turns),
        tuple(min(stamps) for stamps in zip(*(turn.stamps for turn in turns), strict=True)),
    )


def _costs(times: dict[Hashable, _Times], layers: Sequence[str], rows: int) -> StepCosts:
    gates = {}
    for layer, before in zip(layers, times["forward"].stamps, strict=True):
        turns = [times[name] for name in times if isinstance(name, tuple) and name[0] == layer]
        own = sum(turn.own for turn in turns) / len(turns)
        # Two keep ratios may come to the same number of rows.
        steps = {round(turn.stay * rows): (turn.stay, turn.whole) for turn in turns}
        frozen = times.get(("frozen", layer))
        gates[layer] = GateCosts(
            before=before,
            own=own,
            steps=tuple(sorted(steps.values())),
            frozen=None if frozen is None else frozen.whole,
        )
    forward, whole, plan = (times[name] for name in ("forward", "plain", "plan"))
    return StepCosts(forward=forward.whole, whole=whole.whole, plan=plan.whole, gates=gates)


@contextmanager
def unchanged(model: nn.Module, optimizer: Optimizer) -> Iterator[None]:
    """Let training steps run in train mode, and put all back that they change.

    Inside the block the learning rates are 0, so that weights cannot run away meanwhile.

    Args:
        model: whose weights, gradients, buffers and modes are kept, with the global random state.
        optimizer: whose state is kept.

    Examples:
        >>> model = nn.Linear(1, 1)
        >>> optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> with unchanged(model, optimizer):
        ...     model(torch.ones(1, 1)).sum().backward()
        ...     optimizer.step()
        >>> model.weight.grad, len(optimizer.state)
        (None, 0)
    """
    weights = [(weight, weight.detach().clone(), weight.grad) for weight in model.parameters()]
    state, rates = optimizer.state, [group["lr"] for group in optimizer.param_groups]
    with guest(model, training=True):
        try:
            # Steps change copies: the gradients and the state themselves are laid aside.
            optimizer.state = defaultdict(dict, {key: deepcopy(state[key]) for key in state})
            for group in optimizer.param_groups:
                group["lr"] = 0 * group["lr"]
            for weight, _, _ in weights:
                weight.grad = None
            yield
        finally:
            optimizer.state = state
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            with torch.no_grad():
                for weight, before, gradient in weights:
                    weight.copy_(before)
                    weight.grad = gradient
