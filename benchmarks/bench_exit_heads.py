"""What cheaper heads save where no exit is taken, and what they cost where exits are.

The networks of `bench_exits.py`, which trains them where they are not there yet; two layers of
each. A head's cost is its seconds on the maps of 256 images, which the caches hold no more, as a
share of the full network's, in turn. What it is worth is the share of all test images that could
leave there at 0.3 points of extra error.

    python benchmarks/bench_exit_heads.py
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import mean, median
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from bench_exits import fast, network
from record import record
from torch import Tensor, nn

from imprint.data import load, normalise
from imprint.early_exit import Head, grid_means, margins, perceptron
from imprint.early_exit.fitting import fit_head
from imprint.early_exit.heads import logits_of
from imprint.taps import clock_of, hooked, take_turns
from imprint.types import ImageSet, Normalisation

CASES = {
    "cifar10": (20, 12, ("layer1", "layer2.1")),
    "fashion-mnist": (8, 0, ("stem.0", "layer1.1")),
    "mnist": (3, 0, ("stem.0", "layer1.1")),
}
"""Epochs, epochs more, and layers that calibration chose."""

FIT, BATCH, LIMIT = 30_000, 256, 0.003


class Kind(NamedTuple):
    """A sort of head.

    Attributes:
        features_of: gives what it looks at.
        units: hidden ones.
    """

    features_of: Callable[[Tensor], Tensor]
    units: int = 128


def coarser(maps: Tensor) -> Tensor:
    """Means of 5 places a side in place of 8."""
    return _means(maps, [-(-size // 5) for size in maps.shape[2:]])


def sparse(maps: Tensor) -> Tensor:
    """Means of a quarter of each place's pixels, or of all where a place has only four."""
    return _means(maps, [-(-size // 8) for size in maps.shape[2:]], sparsely=True)


def _means(maps: Tensor, stride: list[int], *, sparsely: bool = False) -> Tensor:
    window = [side // 2 if sparsely and side > 2 else side for side in stride]
    return F.avg_pool2d(maps, window, stride).permute(0, 2, 3, 1).flatten(1).float()


KINDS = {
    "as it is": Kind(grid_means),
    "half as many units": Kind(grid_means, 64),
    "a quarter of the units": Kind(grid_means, 32),
    "places of 5 by 5": Kind(coarser),
    "a quarter of the pixels": Kind(sparse),
}


class Part(NamedTuple):
    """What is known of a part of the data.

    Attributes:
        features: by layer and kind, `(N, D)`, half precision.
        logits: the network's.
        labels: of the images.
    """

    features: dict[tuple[str, str], Tensor]
    logits: Tensor
    labels: Tensor


@torch.no_grad()
def read(
    model: nn.Module, layers: tuple[str, ...], part: ImageSet, scale: Normalisation, most: int
) -> Part:
    """Read a part's features at the layers, spread over it."""
    rows = torch.linspace(0, len(part) - 1, min(most, len(part))).round().long()
    features: dict[tuple[str, str], list[Tensor]] = {}
    logits = []
    for own in torch.split(rows, BATCH):
        images = normalise(part.images[own], scale, channels_last=True)
        with _seen(model, layers) as seen:
            logits.append(model(images))
        for layer, maps in seen.items():
            for name, kind in KINDS.items():
                features.setdefault((layer, name), []).append(kind.features_of(maps).half())
    whole = {key: torch.cat(parts) for key, parts in features.items()}
    return Part(whole, torch.cat(logits), part.labels[rows])


@contextmanager
def _seen(model: nn.Module, layers: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """The layers' maps of what runs within the block."""
    seen: dict[str, Tensor] = {}

    def keep(layer: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, maps: seen.__setitem__(layer, maps)

    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(hooked(model, layer, keep(layer)))
        yield seen


def fitted(train: Part, layer: str, name: str, seed: int) -> Head:
    """A head of a kind."""
    features, classes = train.features[layer, name], train.logits.shape[1]
    with mock.patch.object(perceptron, "UNITS", KINDS[name].units):
        return fit_head(features, train.labels, classes, "mlp", teacher=train.logits, seed=seed)


@torch.no_grad()
def share(head: Head, features: Tensor, test: Part) -> float:
    """Of the images that the head is surest of, the most that keep the limit."""
    logits = logits_of(features, head)
    order = margins(logits).argsort(descending=True)
    wrong, missed = (own.argmax(1) != test.labels for own in (logits, test.logits))
    extra = (wrong.double() - missed.double())[order].cumsum(0) / len(order)
    kept = (extra <= LIMIT).nonzero()
    return float(kept.max() + 1) / len(order) if len(kept) else 0.0


@torch.no_grad()
def costs(
    model: nn.Module, images: Tensor, heads: dict[tuple[str, str], Head]
) -> dict[tuple[str, str], float]:
    """Seconds of each head, as a share of the full network's."""
    clock, other = clock_of(torch.device("cpu")), torch.zeros(20_000_000)
    with _seen(model, tuple({layer: None for layer, _ in heads})) as seen:
        model(images)

    def timed(work: Callable[[], Any]) -> Callable[[], float]:
        def run() -> float:
            other.add_(1)  # takes the place of the maps in the caches
            began = clock()
            work()
            return clock() - began

        return run

    def work_of(layer: str, name: str) -> Callable[[], Any]:
        head, features_of = heads[layer, name], KINDS[name].features_of
        return lambda: margins(logits_of(features_of(seen[layer]), head))

    turns = take_turns(
        {None: timed(lambda: model(images)), **{key: timed(work_of(*key)) for key in heads}},
        seconds=10,
        clock=clock,
    )
    whole = median(turns[None])
    return {key: median(turns[key]) / whole for key in heads}


def main() -> None:
    """Measure, and write `results/exit_heads.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for data, (epochs, again, layers) in CASES.items():
        splits, trained = load(data), network(data, epochs, again=again)
        model, scale = fast(trained.model).eval(), trained.normalisation
        train, test = (
            read(model, layers, part, scale, FIT) for part in (splits.train, splits.test)
        )
        shares, heads = {}, {}
        for key, features in test.features.items():
            made = [fitted(train, *key, seed) for seed in range(options.seeds)]
            shares[key] = mean(share(head, features.float(), test) for head in made)
            heads[key] = made[0]
        images = normalise(splits.test.images[:BATCH], scale, channels_last=True)
        for (layer, name), cost in costs(model, images, heads).items():
            own = {"data": data, "layer": layer, "head": name, "cost": cost}
            rows.append({**own, "share": shares[layer, name]})
            print(rows[-1], flush=True)
    print(record("exit_heads", {"seeds": options.seeds, "limit": LIMIT, "rows": rows}))


if __name__ == "__main__":
    main()
