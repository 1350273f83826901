"""`EarlyExit`: what a calibration leaves, to open on its model, to keep and to load."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from imprint.early_exit.answerers import Exit
from imprint.early_exit.calibration import Choice, TradeOff, choose_exits, fit_heads
from imprint.early_exit.checks import (
    check_fitted,
    check_held,
    check_model,
    check_options,
    tested_count,
)
from imprint.early_exit.costs import measure_costs
from imprint.early_exit.exit_layers import exit_layers
from imprint.early_exit.exits import Route, early_exits
from imprint.early_exit.first_network import FirstNetwork, check_first
from imprint.early_exit.heads import HEAD_KINDS, Head, HeadKind, check_kinds
from imprint.early_exit.held_out import answer_held_out
from imprint.early_exit.kept_exits import check_first_given, exit_notes, exit_tensors, exits_from
from imprint.early_exit.monitor import DriftMonitor
from imprint.early_exit.overlap import warn_of_overlap
from imprint.early_exit.promise import Promise
from imprint.early_exit.readings import read_layers
from imprint.early_exit.samples import Pairs, batches_from, known_labels, one_of_each_group, pair_of
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.outputs import first_tensor
from imprint.runs import read_tensors, write_tensors
from imprint.taps import device_of, guest, maps_at

__all__ = ["END", "EarlyExit"]

END = "end"
"""The name of the network's own answer, after those of the exits."""

USUAL = Promise()

READ_TOGETHER = 64
"""Samples that are read together at least, however few run together later."""

FIT_SAMPLES = 50_000
"""Samples that heads are fitted to, at most."""


@dataclass(frozen=True, eq=False)
class EarlyExit:
    """Early exits of a trained network, with a promise on what they cost in accuracy.

    Attributes:
        exits: in the order in which the network runs them; none where the promise allows none.
        promise: what holds, on data like the held-out ones.
        kind: who answers, of `HEAD_KINDS`.
        tested: held-out samples that the promise was tested on.
        curve: what other thresholds would come to on these; empty where the exits were loaded.
        reference: `(2, M)`, what the first exit says of all held-out samples, for a monitor; None
            without an exit.

    Examples:
        >>> from imprint.early_exit import Head
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
        >>> head = Head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), torch.zeros(2))
        >>> exits = EarlyExit((Exit("0", (2,), head, 3.0),))
        >>> with exits(model), torch.no_grad():
        ...     model(torch.tensor([[9.0, 1.0]]))
        tensor([[9., 1.]])
    """

    exits: tuple[Exit | FirstNetwork, ...]
    promise: Promise = USUAL
    kind: HeadKind = "probe"
    tested: int = 0
    curve: tuple[TradeOff, ...] = ()
    reference: Tensor | None = None

    @property
    def places(self) -> tuple[str, ...]:
        """Where answers come from: the exits' layers, then `end`."""
        return (*(own.layer for own in self.exits), END)

    @property
    def first(self) -> nn.Module | None:
        """The network that is asked first, None where there is none."""
        own = next(iter(self.exits), None)
        return own.network if isinstance(own, FirstNetwork) else None

    @classmethod
    def calibrate(
        cls,
        model: nn.Module,
        *,
        fit_on: Any,
        promise_on: Any,
        first: nn.Module | None = None,
        max_extra_error: float = 0.005,
        confidence: float = 0.95,
        layers: Sequence[str] | None = None,
        kinds: Sequence[HeadKind] = HEAD_KINDS,
        max_overhead: float | None = None,
        tuning_share: float = 1 / 3,
        batch_size: int = 256,
        seed: int = 0,
    ) -> Self:
        """Find the exits that save most time while the extra error stays below a limit.

        Args:
            model: a trained classifier that gives logits `(N, K)`; it is not trained, and is left
                as it was.
            fit_on: what it was trained on: an `ImageSet`, a map-style data set of `(image, label)`
                as the model takes them, of which no more than 50,000 are read, spread over it; or
                batches of these, as of a `DataLoader`, of which the first 50,000 samples are.
            promise_on: samples that it was not trained on, likewise; all are read, but of an
                `ImageSet` with groups one of each, since others of it tell nothing new.
            first: a smaller trained network, of the same images and classes, to ask before the
                model; it is left as it was. None for none.
            max_extra_error: the most by which the error may exceed the full network's, in (0, 1).
            confidence: with which that holds over the draw of `promise_on`, in (0, 1).
            layers: where rows may leave; None looks for layers through which all data flow.
            kinds: of heads, the best of which is taken.
            max_overhead: share of the network's time that exits at several layers may cost where
                none of them answers, at least 0; one alone may cost what it likes. None for no
                limit.
            tuning_share: of `promise_on`, which chooses layers and thresholds; the rest tests the
                promise.
            batch_size: for which time is saved; images that run together. Where `promise_on` is
                batches, those are measured, however large.
            seed: that draws these shares.

        Returns:
            The exits.

        Raises:
            InvalidValueError: for values out of range, too few held-out samples for the promise,
                classes without a sample, or a model that gives no logits.
            LayerError: for a layer that is missing, or through which not all data flow, or a model
                with open exits or an open gate.
            MissingExtraError: without `imprint[exits]`.

        Source: Angelopoulos et al. (2021), "Learn then test"; `docs/early-exit.md` has the rest.
        """
        promise = Promise(max_extra_error, confidence)
        promise.check()
        check_options(layers, kinds, tuning_share, batch_size, seed, max_overhead=max_overhead)
        check_model(model)
        batch_size, seed = int(batch_size), int(seed)  # NumPy's integers as well
        warn_of_overlap(fit_on, promise_on)
        promise_on = one_of_each_group(promise_on, seed)
        with torch.inference_mode(mode=False):  # heads are fitted by their gradients
            held_pairs, fit_pairs, example = _pairs(model, fit_on, promise_on, batch_size)
            if first is not None:
                check_first(first, model, example[:2])
            names = exit_layers(model, example, layers)
            if (known := known_labels(promise_on)) is not None:  # before the long work
                check_held(known, _classes(model, example), promise, tuning_share)
            fitted = read_layers(
                model, names, fit_pairs, kinds=kinds, most=FIT_SAMPLES, name="fit_on"
            )
            shapes = [tuple(maps_at(model, name, example[:2]).shape[1:]) for name in names]
            check_fitted(fitted, shapes, names)
            with torch.autocast("cpu", enabled=False):  # margins need all their digits
                heads = fit_heads(fitted, seed=seed)
            classes = fitted.logits.shape[1]
            del fitted
            held = answer_held_out(model, names, heads, held_pairs, first)
            check_held(held.labels, classes, promise, tuning_share)
            costs = measure_costs(
                model, names, example[:batch_size], heads, first, idle=max_overhead is not None
            )
        choice = choose_exits(
            held.outcomes,
            costs,
            promise,
            tuning_share=tuning_share,
            max_overhead=max_overhead,
            seed=seed,
        )
        opened = _open(choice)
        exits = _exits(opened, held.shapes, names, heads[choice.kind], first)
        reference = held.drift[choice.kind][next(iter(opened))] if opened else None
        tested = tested_count(len(held.labels), tuning_share)
        return cls(exits, promise, choice.kind, tested, choice.curve, reference)

    def monitor(self, *, false_alarms: float = 0.01) -> DriftMonitor:
        """Make what tells whether data have moved since calibration, to open the exits with.

        Args:
            false_alarms: chance of one in 10,000 samples, at most.

        Returns:
            The monitor; one serves for one stream of data.

        Raises:
            InvalidValueError: where there is no exit to watch.
        """
        if self.reference is None:
            raise InvalidValueError("exits: expected at least one exit to watch, got none")
        return DriftMonitor(self.reference, false_alarms=false_alarms)

    @contextmanager
    def __call__(
        self,
        model: nn.Module,
        on_route: Callable[[Route], None] = lambda _: None,
        monitor: DriftMonitor | None = None,
    ) -> Iterator[None]:
        """Let rows leave the model early while the block runs.

        Args:
            model: that the exits were calibrated for, in eval mode; put back as it was on exit.
            on_route: called after each forward pass with where its rows were answered.
            monitor: watches for data that have moved; then no exit answers any more.

        Raises:
            ImprintError: as `early_exits`.
        """
        with early_exits(model, self.exits, on_route, monitor):
            yield

    def save(self, path: Path | str) -> Path:
        """Keep the exits in a file, a first network aside: it has a file of its own.

        Args:
            path: where to, with the ending `.safetensors`.

        Returns:
            The path.

        Raises:
            StorageError: where it cannot be written.
        """
        tensors = exit_tensors(self.exits)
        if self.reference is not None:
            tensors["reference"] = self.reference
        note = {
            "exits": exit_notes(self.exits),
            "promise": list(self.promise),
            "kind": self.kind,
            "tested": self.tested,
        }
        return write_tensors(Path(path), tensors, note)

    @classmethod
    def load(cls, path: Path | str, *, first: nn.Module | None = None) -> Self:
        """Load exits that `save` wrote.

        Args:
            path: of the file.
            first: the network that was asked first in calibration, in eval mode.

        Returns:
            The exits.

        Raises:
            MissingFileError: where there is none.
            DamagedFileError: where it holds something else.
            InvalidValueError: where the exits have a first network and none is given.
        """
        tensors, note = read_tensors(Path(path))
        check_first_given(note.get("exits"), first)
        try:
            check_kinds([note["kind"]])
            exits = exits_from(tensors, note["exits"], note["kind"], first)
            promise, reference = Promise(*note["promise"]), tensors.get("reference")
            promise.check()
            return cls(exits, promise, note["kind"], note["tested"], reference=reference)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{path}: expected early exits, {error!r}") from error


def _pairs(
    model: nn.Module, fit_on: Any, promise_on: Any, batch_size: int
) -> tuple[Pairs, Pairs, Tensor]:
    """Batches of both data sets, and some images on the model's device."""
    together = max(batch_size, READ_TOGETHER)  # one by one it would take long
    fit_pairs, scale = batches_from(fit_on, together, most=FIT_SAMPLES, name="fit_on")
    held_pairs, _ = batches_from(promise_on, together, scale, name="promise_on")
    peeked: list[tuple[Tensor, Tensor]] = []
    with guest(model, training=None):  # a loader draws from the global random numbers
        held = iter(held_pairs)
        while sum(len(images) for images, _ in peeked) < 2:  # batches may be of one each
            batch = next(held, None)
            if batch is None:
                raise InvalidValueError("promise_on: expected held-out samples, got fewer than two")
            peeked.append(pair_of(batch, "promise_on"))
        rest = chain(peeked, held) if held is held_pairs else held_pairs
    device = device_of(model)
    return rest, fit_pairs, torch.cat([images for images, _ in peeked]).to(device)


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor) -> int:
    with guest(model):
        return int(first_tensor(model(images[:2]), "the model").shape[-1])


def _exits(
    opened: dict[int, float],
    shapes: Sequence[tuple[int, ...]],
    layers: Sequence[str],
    heads: Sequence[Head],
    first: nn.Module | None,
) -> tuple[Exit | FirstNetwork, ...]:
    """The exits with these numbers and thresholds; a first network is that before the layers'."""
    before = 0 if first is None else 1
    exits: list[Exit | FirstNetwork] = []
    for number, threshold in opened.items():
        if first is not None and number == 0:
            exits.append(FirstNetwork(first, shapes[0], threshold))
        else:
            layer = number - before
            exits.append(Exit(layers[layer], shapes[number], heads[layer], threshold))
    return tuple(exits)


def _open(choice: Choice) -> dict[int, float]:
    """Layers with their thresholds; a strict step may have left some closed, which only cost."""
    pairs = zip(choice.layers, choice.thresholds, strict=True)
    return {layer: threshold for layer, threshold in pairs if math.isfinite(threshold)}
