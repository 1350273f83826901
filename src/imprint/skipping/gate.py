"""The gate: a tap that also shrinks the batch, so that familiar rows leave the network there."""

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.memory import ClassMemory, ThresholdReading
from imprint.outputs import first_tensor, map_tensors
from imprint.ranks import Ranks, unwrap
from imprint.signatures import Deviation, signature
from imprint.skipping.joint import Kept, agree, choose
from imprint.skipping.probe import LinearProbe
from imprint.skipping.published.partial_forward_blocking import DensityEstimator
from imprint.skipping.rules import Evidence, find_rule, kept_count
from imprint.taps import (
    check_carries_all_data,
    check_rows,
    find_layer,
    held,
    maps_at,
    row_filter,
    untraced,
)
from imprint.types import Match
from imprint.whole_batches import wanted_whole

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

__all__ = ["SkipGate"]

OPEN = "an open gate"


class SkipGate:
    """Let familiar samples leave a training step at a named layer of any model.

    Inside `with gate(labels):` the layer passes on only the rows that its rule keeps; everything
    after it, forward and backward, runs on those. Outside the block the model is as it was.

    Under `torchrun`, the ranks' batches are one joint batch, rank 0's rows first: the memory learns
    from all of it, and the rows that stay are those that one process would keep of it, but that
    each rank keeps 2 where it has as many. Every rank must open the gate, and call `remember`,
    equally often.

    Args:
        model: any `nn.Module`, also one within `DistributedDataParallel`.
        layer: a name out of `model.named_modules()` through which all data flow.
        num_classes: K; labels are in `0 … K-1`.
        keep: the share of each batch that stays, in (0, 1]; may be set anew at any time. 1 leaves
            the training as it would be without a gate, and lets it stand at any layer that runs
            once. The rule `paper` does not ask for it.
        rule: `imprint`, `paper`, `cosine`, `random` or `partial-forward-blocking`.
        reading: the paper's threshold by its `text` or its `formula`.
        decay: how the memory fades with each batch, in (0, 1]; 1 does not.
        deviation: of the signatures: `population`, or `paper` for its formula as printed.
        seed: of the rule's own random numbers.
        example: a batch of at least two samples to prove the layer with at once; without it, the
            first batch serves.
        group: the process group whose ranks share their batches; by default all. A process that
            trains a network of its own among others passes a group of itself alone.

    Attributes:
        labels: `(M,)`, the labels of the rows that stayed.
        index: `(M,)`, int64, their places in the batch.
        match: what the memory said of the whole batch.
        normaliser: what a sum of the kept losses is to be divided by for their mean.

    Raises:
        InvalidValueError: for values out of range, or that differ between ranks.
        LayerError: where the layer does not exist or does not carry all data.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> gate = SkipGate(model, layer="0", num_classes=2, keep=0.5)
        >>> images, labels = torch.rand(8, 1, 8, 8), torch.tensor([0, 1] * 4)
        >>> with gate(labels):
        ...     logits = model(images)
        >>> logits.shape, gate.labels.shape
        (torch.Size([4, 2]), torch.Size([4]))
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layer: str,
        num_classes: int,
        keep: float = 0.5,
        rule: str = "imprint",
        reading: ThresholdReading = "text",
        decay: float = 1.0,
        deviation: Deviation = "population",
        seed: int = 0,
        example: Tensor | None = None,
        group: "ProcessGroup | None" = None,
    ) -> None:
        self._model, self.layer = unwrap(model, layer)
        find_layer(self._model, self.layer)
        self.rule = find_rule(rule)
        self._ranks = Ranks(group)
        self._deviation = deviation
        self.memory = ClassMemory(num_classes, reading=reading, decay=decay, ranks=self._ranks)
        self.keep = keep
        self._scorer = self._build_scorer(num_classes, seed)
        self._generator = torch.Generator().manual_seed(seed)
        self._proven = self._proving = False
        self._incoming = torch.empty(0, dtype=torch.int64)
        self._kept: Kept | None = None
        self._match: Match | None = None
        self._scores: Tensor | None = None
        if example is not None:
            self._prove((example,), {})

    @property
    def keep(self) -> float:
        """The share of each batch that stays, in (0, 1]."""
        return self._keep

    @keep.setter
    def keep(self, keep: float) -> None:
        if not 0 < keep <= 1:
            raise InvalidValueError(f"keep: expected a share in (0, 1], got {keep}")
        self._keep = keep

    @property
    def index(self) -> Tensor:
        """`(M,)`, int64, ascending: the places in this rank's batch of the rows that stayed."""
        return self._last_kept().here

    @property
    def labels(self) -> Tensor:
        """`(M,)`, int64: the labels of the rows that stayed."""
        return self._incoming[self.index.to(self._incoming.device)]

    @property
    def match(self) -> Match:
        """What the memory said of this rank's whole batch, before it learned from it."""
        if self._match is None:
            raise InvalidValueError("gate: expected a forward pass within `with gate(labels):`")
        return self._match

    @property
    def scores(self) -> Tensor | None:
        """`(N,)`, what the rule's scorer says of the batch: losses in nats for `imprint`."""
        return self._scores

    def spread(self, losses: Tensor) -> Tensor:
        """Give each row of the batch a loss, for a plan: its own, or what the gate knew of it.

        Args:
            losses: `(M,)`, floats, of the rows that stayed.

        Returns:
            `(N,)`; of a row that left the probe's loss, or NaN where the rule has no probe.
        """
        left = self.scores if self.rule.scorer == "probe" else None
        if left is None:
            left = torch.full(self._incoming.shape, torch.nan)
        return left.to(losses).index_copy(0, self.index.to(losses.device), losses)

    @property
    def normaliser(self) -> float:
        """What a sum of the kept rows' losses is to be divided by for their mean.

        Among ranks, the kept rows of all over the number of ranks: ranks may keep more or fewer,
        and DistributedDataParallel's mean of their gradients is then that of the joint mean loss.
        """
        return self._last_kept().total / self._ranks.size

    @contextmanager
    def __call__(self, labels: Tensor) -> Iterator[Self]:
        """Shrink the batch of the one forward pass in this block.

        Args:
            labels: `(N,)`, int64, in `0 … K-1`, one for each sample of the batch.

        Yields:
            The gate itself.

        Raises:
            InvalidValueError: for labels of another type, or not one for each row.
            LayerError: where the layer did not run, or does not carry all data, or the model has
                open exits.
        """
        if labels.ndim != 1 or labels.dtype != torch.int64:
            got = f"{tuple(labels.shape)} of {labels.dtype}"
            raise InvalidValueError(f"labels: expected (N,) of torch.int64, got {got}")
        self._incoming, self._kept, self._match = labels, None, None
        with held(self._model, OPEN, beside=OPEN):
            proof = untraced(self._prove_first)
            prover = self._model.register_forward_pre_hook(proof, with_kwargs=True)
            try:
                with row_filter(self._model, self.layer, self._choose):
                    yield self
            finally:
                prover.remove()
        if self._kept is None:
            raise LayerError(
                f"layer {self.layer!r}: did not run within `with gate(labels):`{_hint()}"
            )

    def remember(self, images: Tensor, labels: Tensor) -> None:
        """Take a batch's signatures, as the model gives them now, into the memory.

        The rule `paper` asks for this after each optimizer step; other rules remember what the
        step itself computed. The model runs in the modes that it is in, so that batch norm gives
        what it gives in a step, and is left as it was. Every rank must call it.

        Args:
            images: `(N, C, H, W)`, as the model takes them.
            labels: `(N,)`, int64.

        Source: the paper's section 5.1: "generated after the training of that batch".
        """
        maps = maps_at(self._model, self.layer, images, training=None)
        check_rows(maps, labels, self.layer)
        self._remember(signature(maps, deviation=self._deviation), labels)

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state as flat tensors: memory, probe and random generator.

        It is the same on each rank: save it on one, and load it on all.
        """
        parts = {"memory": self.memory.state_dict()}
        if self._scorer is not None:
            parts["scorer"] = self._scorer.state_dict()
        flat = {f"{part}.{key}": value for part in parts for key, value in parts[part].items()}
        return flat | {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the tensors by name.

        Raises:
            InvalidValueError: where the state is of another number of classes or another rule.
        """

        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}."
            return {key.removeprefix(start): state[key] for key in state if key.startswith(start)}

        if "generator" not in state:
            raise InvalidValueError(f"state: expected a generator, got {', '.join(state) or '{}'}")
        self.memory.load_state_dict(part("memory"))
        if self._scorer is not None:
            self._scorer.load_state_dict(part("scorer"))
        self._generator.set_state(state["generator"])

    def _prove_first(self, _model: nn.Module, args: Any, kwargs: Any) -> None:
        cuts = self.keep < 1 or not self.rule.exact  # what lets every row pass may stand anywhere
        if cuts and not self._proven and not self._proving and not wanted_whole():
            self._prove(args, kwargs)

    def _prove(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Prove with the first two samples that all data flow through the layer."""
        given = [v for v in (*args, *kwargs.values()) if getattr(v, "ndim", 1)]  # numbers aside
        rows = len(first_tensor(given, "the model's input"))
        if rows < 2:
            return  # the next batch may have two
        two = map_tensors((args, kwargs), lambda t: t[:2] if t.ndim and len(t) == rows else t)
        self._proving = True  # the proof itself runs the model
        try:
            check_carries_all_data(self._model, self.layer, *two[0], **two[1])
        finally:
            self._proving = False
        self._proven = True

    @torch.no_grad()
    def _choose(self, maps: Tensor) -> Tensor | None:
        """Which rows of the maps stay; None for all."""
        if self._proving or wanted_whole():
            return None
        if self._kept is not None:
            raise LayerError(f"layer {self.layer!r}: ran twice within `with gate(labels):`")
        # Similarities need float32, and what is remembered must serve a training step too.
        with torch.autocast(maps.device.type, enabled=False), torch.inference_mode(mode=False):
            return self._choose_exactly(maps.detach(), self._incoming.to(maps.device))

    def _choose_exactly(self, maps: Tensor, labels: Tensor) -> Tensor | None:
        check_rows(maps, labels, self.layer)
        signatures = signature(maps, deviation=self._deviation)
        self._match = self.memory.match(signatures, labels)
        rows = self._rows_of_ranks(len(labels), maps.device)
        if self.rule.remember == "before":
            self._remember(signatures, labels)
        self._scores = self._score(signatures, labels)
        count = kept_count(sum(rows), self.keep)
        if self.rule.exact and count == sum(rows):
            self._kept = Kept(torch.arange(len(labels), device=maps.device), count)
            return None
        evidence = Evidence(self._match, self._scores, count, self._generator)
        self._kept = choose(self.rule, evidence, rows, ranks=self._ranks)
        return self._kept.here

    def _rows_of_ranks(self, rows: int, device: torch.device) -> list[int]:
        """How many rows each rank has; all must stand where this one does, or none would agree."""
        if self._ranks.size == 1:
            return [rows]
        held = {
            "keep": self.keep,
            "gate's random generator": zlib.crc32(self._generator.get_state().numpy().tobytes()),
            "memory's count": float(self.memory.counts.sum()),
        }
        return agree(rows, held, ranks=self._ranks, device=device)

    def _build_scorer(self, num_classes: int, seed: int) -> LinearProbe | DensityEstimator | None:
        if self.rule.scorer == "density":
            return DensityEstimator(keep=self.keep, seed=seed)
        return LinearProbe(num_classes, ranks=self._ranks) if self.rule.scorer else None

    def _score(self, signatures: Tensor, labels: Tensor) -> Tensor | None:
        if isinstance(self._scorer, DensityEstimator):
            self._scorer.keep = self.keep  # only what stays moves its centres
        return None if self._scorer is None else self._scorer.step(signatures, labels)

    def _last_kept(self) -> Kept:
        if self._kept is None:
            raise InvalidValueError("gate: expected a forward pass within `with gate(labels):`")
        return self._kept

    def _remember(self, signatures: Tensor, labels: Tensor) -> None:
        """Update the memory, but for signatures that overflowed: one would spoil a prototype."""
        labels, finite = labels.to(signatures.device), signatures.isfinite().all(1)
        if not bool(finite.all()):
            signatures, labels = signatures[finite], labels[finite]
        self.memory.update(signatures, labels)


def _hint() -> str:
    """Say what to do where the code that was compiled of a model knows of no gate."""
    if "torch._dynamo" not in sys.modules:
        return ""
    return "; a compiled model must run there first, before it runs outside: torch.compiler.reset()"
