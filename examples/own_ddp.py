"""A training loop of your own on several processes, with a gate: they skip as one would.

python examples/own_ddp.py
torchrun --nproc-per-node 2 examples/own_ddp.py
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import imprint

together = dist.is_torchelastic_launched()  # whether torchrun started this
if together:
    dist.init_process_group("gloo")
rank, ranks = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)

mnist = imprint.load("mnist")
images, labels = mnist.train.images[:12_000].float() / 255, mnist.train.labels[:12_000]
dataset = TensorDataset(images, labels)
sampler = DistributedSampler(dataset, num_replicas=ranks, rank=rank, drop_last=True)
loader = DataLoader(dataset, sampler=sampler, batch_size=100 // ranks, drop_last=True)

model = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()),
    nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()),
    nn.Flatten(),
    nn.Linear(32 * 6 * 6, 10),
)
wrapped = DistributedDataParallel(model) if together else model
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

gate = imprint.SkipGate(wrapped, layer="0", num_classes=10, keep=0.5)
for epoch in range(2):
    sampler.set_epoch(epoch)
    trained = 0.0
    for batch, targets in loader:
        with gate(targets):
            logits = wrapped(batch)
        loss = F.cross_entropy(logits, gate.labels, reduction="sum") / gate.normaliser
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        trained += gate.normaliser * ranks  # the rows that stayed on all ranks
    if rank == 0:
        model.eval()
        with torch.no_grad():
            right = model(mnist.test.images.float() / 255).argmax(1) == mnist.test.labels
        model.train()
        share = trained / len(images)
        print(f"epoch {epoch + 1}: accuracy {right.float().mean():.2%}, trained on {share:.0%}")

if together:
    dist.destroy_process_group()
