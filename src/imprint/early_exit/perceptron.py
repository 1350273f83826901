"""Train a multilayer perceptron of one hidden layer."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["train_perceptron"]

UNITS = 128
"""Hidden ones."""

EPOCHS = 12
"""Passes over the samples, at most."""

STEPS = 1500
"""In all, at most."""

BATCH = 256
"""Samples of a step."""

RATE = 3e-3
"""Highest learning rate."""

DECAY = 0.01
"""Weight decay."""

Linear = tuple[Tensor, Tensor]
"""Weight and bias."""


def train_perceptron(
    inputs_of: Callable[[Tensor], Tensor], wanted: Tensor, entries: int, seed: int = 0
) -> tuple[Linear, Linear]:
    """Train a perceptron by AdamW in one cycle of the learning rate.

    Args:
        inputs_of: gives rows `(M, D)`, float32, of an index `(M,)`.
        wanted: `(N, K)`, the probabilities to learn.
        entries: D.
        seed: of the first weights and of the order of the samples.

    Returns:
        Weight `(H, D)` and bias of the hidden units, then weight `(K, H)` and bias of the logits.

    Examples:
        >>> rows, wanted = torch.eye(4).repeat(640, 1), torch.eye(4).repeat(640, 1)
        >>> hidden, out = train_perceptron(lambda index: rows[index], wanted, 4)
        >>> F.linear(F.linear(torch.eye(4), *hidden).relu(), *out).argmax(1)
        tensor([0, 1, 2, 3])
    """
    steps = min(EPOCHS * math.ceil(len(wanted) / BATCH), STEPS)
    network = _initial_network(entries, wanted.shape[1], seed).float().to(wanted.device)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    for _, rows in zip(range(steps), _batches(len(wanted), seed), strict=False):
        index = rows.to(wanted.device)
        with torch.enable_grad():
            loss = F.cross_entropy(network(inputs_of(index)), wanted[index])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        schedule.step()
    first, _, last = network.requires_grad_(requires_grad=False)
    return (first.weight, first.bias), (last.weight, last.bias)


def _initial_network(entries: int, num_classes: int, seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(entries, UNITS), nn.ReLU(), nn.Linear(UNITS, num_classes))


def _batches(count: int, seed: int) -> Iterator[Tensor]:
    """Without end."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.split(torch.randperm(count, generator=draw), BATCH)
