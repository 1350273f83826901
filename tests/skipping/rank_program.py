"""What each rank runs: train a small network with a gate, and leave behind what happened.

python rank_program.py RANK SIZE FOLDER
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from imprint.errors import InvalidValueError
from imprint.memory import ClassMemory
from imprint.ranks import Ranks
from imprint.skipping import SkipGate, SkipPlan
from imprint.skipping.probe import LinearProbe

CLASSES = 4
CASES = {
    "imprint": {"rule": "imprint", "layer": "1"},
    "imprint, from a state": {"rule": "imprint", "layer": "1", "reload": True},
    "cosine": {"rule": "cosine", "layer": "module.1"},
    "paper": {"rule": "paper", "layer": "1"},
    "paper, by the formula": {"rule": "paper", "layer": "1", "reading": "formula", "decay": 0.9},
    "random": {"rule": "random", "layer": "1", "bare": True},
    "all rows": {"rule": "imprint", "layer": "1", "keep": 1.0},
}
"""Here each rank keeps 2 rows without help, so that all must be as in one process."""

SMALL_CASES = {
    f"{rule}, {sizes}": {"rule": rule, "layer": "1", "keep": 0.1, "sizes": sizes, "steps": 3}
    for rule in ("imprint", "cosine", "paper", "random")
    for sizes in ((13, 3), (15, 1), (16, 0))
}
"""Here a rank would have too few."""


def joint_batch(step, sizes):
    """Images `(N, 1, 8, 8)`, labels `(N,)`: rank 0 has no class 3, the last rank no class 0."""
    generator = torch.Generator().manual_seed(step)
    draws = [torch.randint(3, (n,), generator=generator) + (r > 0) for r, n in enumerate(sizes)]
    labels = torch.cat(draws)
    patterns = torch.rand(CLASSES, 1, 8, 8, generator=torch.Generator().manual_seed(99))
    noise = torch.rand(len(labels), 1, 8, 8, generator=generator)
    return (patterns[labels] + 0.6 * noise).double(), labels


def own_part(joint, sizes, rank, size):
    """A rank's rows of the joint batch; all of them for one process."""
    if size == 1:
        return joint
    start = sum(sizes[:rank])
    return tuple(tensor[start : start + sizes[rank]] for tensor in joint)


def network():
    """In float64, so that it rounds alike at any batch size; batch norm has buffers to share."""
    layers = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, CLASSES)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    return model.eval()


def train(rank, size, folder, *, layer, sizes=(10, 6), steps=4, bare=False, reload=False, **rest):
    """Train as a rank of `size`; `sizes` are the rows of each rank."""
    model = network()
    wrapped = model if size == 1 else DistributedDataParallel(model)
    layer = layer.removeprefix("module.") if size == 1 else layer
    arguments = {"layer": layer, "num_classes": CLASSES, "keep": 0.5, **rest}
    gate = SkipGate(model if bare else wrapped, **arguments)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    seen = {"kept": [], "hits": [], "gradients": [], "memories": [], "normalisers": []}
    for step in range(steps):
        images, labels = own_part(joint_batch(step, sizes), sizes, rank, size)
        with gate(labels):
            logits = wrapped(images)
        loss = F.cross_entropy(logits, gate.labels, reduction="sum") / gate.normaliser
        optimizer.zero_grad()
        loss.backward()
        seen["gradients"].append([weight.grad.clone() for weight in model.parameters()])
        optimizer.step()
        if gate.rule.remember == "after":
            gate.remember(images, labels)
        seen["kept"].append(gate.index + (sum(sizes[:rank]) if size > 1 else 0))
        seen["hits"].append(gate.match.hit)
        seen["normalisers"].append(gate.normaliser)
        seen["memories"].append(gate.memory.state_dict())
        if reload and step == 1:
            gate = reloaded(gate, rank, size, folder, arguments | {"seed": 7}, wrapped)
    return seen | {"state": gate.state_dict(), "weights": list(model.state_dict().values())}


def reloaded(gate, rank, size, folder, arguments, model):
    """A gate made anew from the state that rank 0 saved."""
    path = Path(folder) / "gate.pt"
    if rank == 0:
        torch.save(gate.state_dict(), path)
    if size > 1:
        dist.barrier()
    other = SkipGate(model, **arguments)
    other.load_state_dict(torch.load(path))
    return other


def parts(rank, size):
    """Memory and probe by themselves; the second rank has no row, or none that is finite."""
    ranks = Ranks()
    memory, probe = ClassMemory(3, decay=0.9, ranks=ranks), LinearProbe(3, ranks=ranks)
    losses = []
    for step, sizes in enumerate(((6, 4), (5, 0), (4, 3), (0, 0), (0, 5), (7, 2))):
        generator = torch.Generator().manual_seed(step)
        joint = torch.rand(sum(sizes), 5, generator=generator) * 3
        joint[:, 4] = 1e4 + 0.01 * joint[:, 0]  # large, and nearly constant
        if step == 2:
            joint[sizes[0] :] = torch.nan
        labels = torch.randint(3, (sum(sizes),), generator=generator)
        signatures, labels = own_part((joint, labels), sizes, rank, size)
        losses.append(probe.step(signatures, labels))
        finite = signatures.isfinite().all(1)
        memory.update(signatures[finite], labels[finite])
    return {"losses": losses, "memory": memory.state_dict(), "probe": probe.state_dict()}


def sums_and_rows(rank):
    """What the ranks tell each other, number by number."""
    ranks = Ranks()
    special = torch.tensor([[torch.nan, -torch.inf], [1e-45, 3e38], [0.1, -0.0]])
    rows = (special[:2], special[2:])[rank]
    total, count = ranks.sum(torch.tensor([0.5, rank]), torch.tensor(2**40 + rank))
    return {
        "place": (ranks.rank, ranks.size),
        "rows": ranks.gather_rows(rows, [2, 1]),
        "whole": ranks.gather_rows(torch.full((rank, 1), 7), [0, 1]),
        "sums": (total, count),
    }


def refusals(rank):
    """What the gate says where the ranks differ."""
    images, labels = joint_batch(0, (8,))

    def refusal(gate):
        try:
            with gate(labels):
                gate._model(images)
        except InvalidValueError as error:
            return str(error)
        return ""

    def gate_of(**arguments):
        return SkipGate(network(), layer="1", num_classes=CLASSES, **arguments)

    restored, other = gate_of(rule="cosine"), gate_of(rule="cosine")
    with other(labels):
        other._model(images)
    if rank == 0:
        restored.load_state_dict(other.state_dict())
    messages = [refusal(gate_of(keep=0.5 + 0.25 * rank)), refusal(gate_of(seed=rank))]
    return [*messages, refusal(restored)]


def covered(rank):
    """How many samples a plan with `cover` loads; those of rank 0 are known far better."""
    plan = SkipPlan(600, cover=0.9, epochs=6, dense_start=0, ranks=Ranks())
    counts = []
    for _ in range(5):
        rows = torch.tensor(list(plan))
        counts.append(len(rows))
        known = torch.rand(len(rows), generator=torch.Generator().manual_seed(rank))
        plan.record(rows, known ** (1 if rank else 9))
    return counts


def alone_in_a_group(rank, size):
    """A gate whose group is this process only, while the others use none."""
    groups = [dist.new_group([r]) for r in range(size)]
    gate = SkipGate(network(), layer="1", num_classes=CLASSES, group=groups[rank])
    images, labels = joint_batch(0, (8,))
    if rank == 0:
        with gate(labels):
            gate._model(images)
    try:
        Ranks(groups[1 - rank])
    except InvalidValueError as error:
        return float(gate.memory.counts.sum()), str(error)
    return None


def main():
    rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=30),
    )
    seen = {name: train(rank, size, folder, **case) for name, case in (CASES | SMALL_CASES).items()}
    seen["parts"] = parts(rank, size)
    seen["sums and rows"] = sums_and_rows(rank)
    seen["refusals"] = refusals(rank)
    seen["covered"] = covered(rank)
    seen["alone"] = alone_in_a_group(rank, size)
    torch.save(seen, folder / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
