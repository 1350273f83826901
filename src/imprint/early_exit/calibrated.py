"""`EarlyExit`: what a calibration leaves, to open on its model, to keep and to load."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.early_exit.calibration import TradeOff, choose_exits, fit_heads, outcomes_of
from imprint.early_exit.costs import exit_layers, measure_costs
from imprint.early_exit.exits import Exit, Route, early_exits
from imprint.early_exit.heads import HEAD_KINDS, Head, HeadKind, check_kinds
from imprint.early_exit.monitor import DriftMonitor, drift_scores
from imprint.early_exit.overlap import warn_of_overlap
from imprint.early_exit.promise import Promise, samples_needed
from imprint.early_exit.readings import Pairs, Readings, batches_from, read_layers
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.runs import read_tensors, write_tensors

__all__ = ["EarlyExit", "WithExits"]

USUAL = Promise()

FIT_SAMPLES = 20_000
"""Samples that heads are fitted to, at most; more change little."""


@dataclass(frozen=True, eq=False)
class EarlyExit:
    """Early exits of a trained network, with a promise on what they cost in accuracy.

    Attributes:
        exits: in the order in which the network runs them; none where the promise allows none.
        promise: what holds, on data like the held-out ones.
        kind: who answers: `prototype`, `probe` or `grid`.
        tested: held-out samples that the promise was tested on.
        curve: what other thresholds would come to on these; empty where the exits were loaded.
        reference: `(2, M)`, what the first exit says of all held-out samples, for a monitor; None
            without an exit.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).eval()
        >>> head = Head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), torch.zeros(2))
        >>> exits = EarlyExit((Exit("0", (2,), head, 3.0),))
        >>> with exits(model), torch.no_grad():
        ...     model(torch.tensor([[9.0, 1.0]]))
        tensor([[9., 1.]])
    """

    exits: tuple[Exit, ...]
    promise: Promise = USUAL
    kind: HeadKind = "probe"
    tested: int = 0
    curve: tuple[TradeOff, ...] = ()
    reference: Tensor | None = None

    @classmethod
    def calibrate(
        cls,
        model: nn.Module,
        *,
        fit_on: Any,
        promise_on: Any,
        max_extra_error: float = 0.005,
        confidence: float = 0.95,
        layers: Sequence[str] | None = None,
        kinds: Sequence[HeadKind] = HEAD_KINDS,
        tuning_share: float = 1 / 3,
        batch_size: int = 256,
        seed: int = 0,
    ) -> Self:
        """Find the exits that save most time while the extra error stays below a limit.

        Args:
            model: a trained classifier that gives logits `(N, K)`; it is not trained, and is left
                as it was.
            fit_on: what it was trained on: an `ImageSet`, a map-style data set of `(image, label)`
                as the model takes them, of which no more than 20,000 are read, spread over it; or
                batches of these, as of a `DataLoader`, of which the first 20,000 samples are.
            promise_on: samples that it was not trained on, likewise; all are read.
            max_extra_error: the most by which the error may exceed the full network's, in (0, 1).
            confidence: with which that holds over the draw of `promise_on`, in (0, 1).
            layers: where rows may leave; None looks for layers through which all data flow.
            kinds: of heads, the best of which is taken.
            tuning_share: of `promise_on`, which chooses layers and thresholds; the rest tests the
                promise.
            batch_size: for which time is saved; images that run together.
            seed: that draws these shares.

        Returns:
            The exits.

        Raises:
            InvalidValueError: for values out of range, too few held-out samples for the promise,
                classes without a sample, or a model that gives no logits.
            LayerError: for a layer that is missing, or through which not all data flow.
            MissingExtraError: without `imprint[exits]`.

        Source: Angelopoulos et al. (2021), "Learn then test"; `docs/early-exit.md` has the rest.
        """
        promise = Promise(max_extra_error, confidence)
        promise.check()
        if not 0 < tuning_share < 1:
            raise InvalidValueError(f"tuning_share: expected one in (0, 1), got {tuning_share}")
        check_kinds(kinds)
        warn_of_overlap(fit_on, promise_on)
        held_pairs, fit_pairs, example = _pairs(model, fit_on, promise_on, batch_size)
        names = exit_layers(model, example, layers)
        held = read_layers(model, names, held_pairs, kinds=kinds)
        _check_held(held, promise, tuning_share)
        fitted = read_layers(model, names, fit_pairs, kinds=kinds, most=FIT_SAMPLES)
        costs = measure_costs(model, names, example, held.logits.shape[1], kinds)
        heads = fit_heads(fitted)
        outcomes = {kind: outcomes_of(held, own) for kind, own in heads.items()}
        choice = choose_exits(outcomes, costs, promise, tuning_share=tuning_share, seed=seed)
        exits = tuple(
            Exit(names[layer], held.shapes[layer], heads[choice.kind][layer], threshold)
            for layer, threshold in zip(choice.layers, choice.thresholds, strict=True)
        )
        return cls(
            exits,
            promise,
            choice.kind,
            _tested(held, tuning_share),
            choice.curve,
            _reference(held, choice.layers, heads[choice.kind]),
        )

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
        """Keep the exits in a file.

        Args:
            path: where to, with the ending `.safetensors`.

        Returns:
            The path.

        Raises:
            StorageError: where it cannot be written.
        """
        tensors = {
            f"{number}.{name}": part
            for number, own in enumerate(self.exits)
            for name, part in (("weight", own.head.weight), ("bias", own.head.bias))
        }
        if self.reference is not None:
            tensors["reference"] = self.reference
        note = {
            "exits": [
                {"layer": own.layer, "shape": list(own.shape), "threshold": own.threshold}
                for own in self.exits
            ],
            "promise": list(self.promise),
            "kind": self.kind,
            "tested": self.tested,
        }
        return write_tensors(Path(path), tensors, note)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Load exits that `save` wrote.

        Args:
            path: of the file.

        Returns:
            The exits.

        Raises:
            MissingFileError: where there is none.
            DamagedFileError: where it holds something else.
        """
        tensors, note = read_tensors(Path(path))
        try:
            exits = tuple(
                Exit(
                    str(own["layer"]),
                    tuple(own["shape"]),
                    Head(tensors[f"{number}.weight"], tensors[f"{number}.bias"], note["kind"]),
                    float(own["threshold"]),
                )
                for number, own in enumerate(note["exits"])
            )
            promise, reference = Promise(*note["promise"]), tensors.get("reference")
            return cls(exits, promise, note["kind"], note["tested"], reference=reference)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{path}: expected early exits, {error!r}") from error


class WithExits(nn.Module):
    """A model that always answers early, for whatever takes a module: an attack, a server.

    Args:
        model: that the exits were calibrated for.
        exits: of the model.

    Examples:
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

    def forward(self, images: Tensor) -> Tensor:
        """Answer images: logits `(N, K)`, in the order of the rows."""
        with self.exits(self.model):
            answers: Tensor = self.model(images)
            return answers


def _pairs(
    model: nn.Module, fit_on: Any, promise_on: Any, batch_size: int
) -> tuple[Pairs, Pairs, Tensor]:
    """Batches of both data sets, and some images on the model's device."""
    fit_pairs, scale = batches_from(fit_on, batch_size, most=FIT_SAMPLES)
    held_pairs, _ = batches_from(promise_on, batch_size, scale)
    held = iter(held_pairs)
    first = next(held, None)
    if first is None or len(first[0]) < 2:
        raise InvalidValueError("promise_on: expected held-out samples, got none, or a single one")
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    rest = held_pairs if iter(held_pairs) is not held_pairs else chain([first], held)
    return rest, fit_pairs, first[0].to(device)


def _check_held(held: Readings, promise: Promise, tuning_share: float) -> None:
    """Check that held-out samples suffice for the promise, and have each class."""
    tested, needed = _tested(held, tuning_share), samples_needed(promise)
    if tested < needed:
        least = math.ceil(needed / (1 - tuning_share))
        raise InvalidValueError(
            f"promise_on: expected at least {least} held-out samples for an extra error of at most "
            f"{promise.max_extra_error:g} with confidence {promise.confidence:g}, "
            f"got {len(held.labels)}"
        )
    classes = held.logits.shape[1]
    counts = held.labels.bincount(minlength=classes)
    missing = (counts == 0).nonzero()[:, 0].tolist()
    if missing:
        shown = ", ".join(map(str, missing[:12]))
        raise InvalidValueError(
            f"promise_on: expected each of {classes} classes at least once, got none of {shown}"
        )


def _reference(held: Readings, layers: Sequence[int], heads: Sequence[Head]) -> Tensor | None:
    """What the first exit says of the held-out samples."""
    if not layers:
        return None
    head = heads[layers[0]]
    features = held.features[head.kind][layers[0]]
    return drift_scores(F.linear(features, head.weight, head.bias))


def _tested(held: Readings, tuning_share: float) -> int:
    return len(held.labels) - round(tuning_share * len(held.labels))
