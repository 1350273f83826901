"""What heads make of samples that the network was not trained on."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.early_exit.first_network import FirstNetwork
from imprint.early_exit.heads import FEATURES, Head, HeadKind, logits_of, margins
from imprint.early_exit.monitor import drift_scores
from imprint.early_exit.readings import Passed, passes, takers_of
from imprint.early_exit.routes import Outcomes, join_outcomes
from imprint.early_exit.samples import Pairs
from imprint.taps import guest

__all__ = ["HeldOut", "answer_held_out"]

Heads = Mapping[HeadKind, Sequence[Head]]
"""For each kind a head a layer."""


class HeldOut(NamedTuple):
    """How the answers of N held-out samples come out.

    Attributes:
        outcomes: for each kind of head.
        drift: for each kind `(L, 2, N)`, what a monitor watches, were the layer the first exit.
        labels: `(N,)`, int64.
        shapes: L, of a sample's maps.
    """

    outcomes: dict[HeadKind, Outcomes]
    drift: dict[HeadKind, Tensor]
    labels: Tensor
    shapes: list[tuple[int, ...]]


@torch.no_grad()
def answer_held_out(
    model: nn.Module,
    layers: Sequence[str],
    heads: Heads,
    batches: Pairs,
    first: nn.Module | None = None,
) -> HeldOut:
    """Answer held-out samples at every layer, in one pass; memory holds the outcomes alone.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        layers: names out of `model.named_modules()`.
        heads: for each kind one a layer.
        batches: of images as the model takes them, with labels in `0 … K-1`.
        first: a network that is asked before the model; None for none.

    Returns:
        The outcomes, on the CPU; those of a first network stand before the layers'.

    Raises:
        InvalidValueError: for no batch, labels out of range, or outputs that are not logits.
        LayerError: where a layer is missing or does not run.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
        >>> head = Head(torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]]), torch.zeros(2))
        >>> batches = [(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0]))]
        >>> answer_held_out(model, ["0"], {"probe": [head]}, batches).outcomes["probe"].right
        tensor([[ True, False]])
    """
    parts: dict[HeadKind, list[tuple[Outcomes, Tensor]]] = {kind: [] for kind in heads}
    labels: list[Tensor] = []
    shapes: list[tuple[int, ...]] = []
    with ExitStack() as stack:
        passed = stack.enter_context(closing(passes(model, layers, batches, takers_of(heads))))
        if first is not None:
            stack.enter_context(guest(first))
        for own in passed:
            labels.append(own.labels)
            with torch.autocast(own.images.device.type, enabled=False):  # margins need all digits
                before = [] if first is None else [_first_logits(first, own.images)]
                answers = _answers(own, heads, before)
            shapes = [tuple(own.images.shape[1:])] * len(before) + own.shapes
            for kind, row in answers.items():
                parts[kind].append(row)
    outcomes = {kind: join_outcomes([own for own, _ in rows]) for kind, rows in parts.items()}
    drift = {kind: torch.cat([own for _, own in rows], dim=2) for kind, rows in parts.items()}
    return HeldOut(outcomes, drift, torch.cat(labels), shapes)


def _first_logits(first: nn.Module, images: Tensor) -> Tensor:
    logits, _ = FirstNetwork(first, tuple(images.shape[1:]), torch.inf).answer(images)
    return logits.cpu()


def _answers(
    batch: Passed, heads: Heads, before: list[Tensor]
) -> dict[HeadKind, tuple[Outcomes, Tensor]]:
    """What each kind of head makes of a batch: outcomes, and what a monitor watches."""
    full_right = batch.logits.argmax(1) == batch.labels
    found: dict[HeadKind, tuple[Outcomes, Tensor]] = {}
    for kind, own in heads.items():
        pairs = zip(batch.features[FEATURES[kind]], own, strict=True)
        own_logits = [logits_of(rows, head.to(rows.device)).cpu() for rows, head in pairs]
        logits = [*before, *own_logits]
        right = torch.stack([each.argmax(1) == batch.labels for each in logits])
        sureness = torch.stack([margins(each) for each in logits])
        drift = torch.stack([drift_scores(each) for each in logits])
        found[kind] = Outcomes(sureness, right, full_right), drift
    return found
