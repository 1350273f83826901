"""A way to answer early, set beside others: how its answers come out, and what they cost."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from imprint.early_exit import FIRST, Costs, FirstNetwork, Outcomes, margins
from imprint.early_exit.answerers import AnyExit
from imprint.early_exit.costs import exit_seconds
from imprint.early_exit.routes import join_outcomes
from imprint.outputs import first_tensor
from imprint.taps import guest

__all__ = ["Contestant", "asked_first", "first_outcomes"]

Batches = Sequence[tuple[Tensor, Tensor]]


class Contestant(NamedTuple):
    """A way to answer early at L places.

    Attributes:
        places: names of layers; `first network` before all of them.
        makers: from a threshold to an exit at each.
        tuned: how its answers come out on images that tune.
        measured: likewise, on those that measure.
        costs: in seconds.
        priced: whether thresholds are priced by what a place saves alone, as Imprint's are.
    """

    places: list[str]
    makers: list[Callable[[float], AnyExit]]
    tuned: Outcomes
    measured: Outcomes
    costs: Costs
    priced: bool


def asked_first(
    network: nn.Module, before: Contestant, tune_on: Batches, measure_on: Batches
) -> Contestant:
    """Ask a small network before another way to answer early.

    Args:
        network: gives logits `(N, K)`; it is left as it was.
        before: the other way.
        tune_on: images as the network takes them, with labels.
        measure_on: likewise.

    Returns:
        Both as one.

    Examples:
        >>> none = Outcomes(torch.ones(0, 2), torch.ones(0, 2).bool(), torch.ones(2).bool())
        >>> before = Contestant([], [], none, none, Costs(torch.ones(0), torch.ones(0), 1.0), True)
        >>> batches = [(torch.rand(2, 1, 2, 2), torch.tensor([0, 1]))]
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> asked_first(network, before, batches, batches).places
        ['first network']
    """
    images = tune_on[0][0]
    shape = tuple(images.shape[1:])
    with guest(network):
        answer = FirstNetwork(network, shape, torch.inf).answer
        seconds = exit_seconds(images, answer) / len(images)
    return Contestant(
        [FIRST, *before.places],
        [partial(FirstNetwork, network, shape), *before.makers],
        _before(first_outcomes(network, tune_on), before.tuned),
        _before(first_outcomes(network, measure_on), before.measured),
        before.costs.behind(seconds),
        before.priced,
    )


@torch.no_grad()
def first_outcomes(network: nn.Module, batches: Batches) -> Outcomes:
    """See how a network's own answers come out.

    Args:
        network: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        batches: images as it takes them, with labels.

    Returns:
        Its outcomes, of one place; the full network is taken to be itself.

    Examples:
        >>> batches = [(torch.tensor([[3.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0]))]
        >>> first_outcomes(nn.Identity(), batches).right
        tensor([[ True, False]])
    """
    parts = []
    with guest(network):
        for images, labels in batches:
            logits = first_tensor(network(images), FIRST).float()
            right = logits.argmax(1) == labels
            parts.append(Outcomes(margins(logits)[None], right[None], right))
    return join_outcomes(parts)


def _before(first: Outcomes, then: Outcomes) -> Outcomes:
    return Outcomes(
        torch.cat([first.margins, then.margins]),
        torch.cat([first.right, then.right]),
        then.full_right,
    )
