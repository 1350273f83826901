"""A training loop of your own, with a plan: what the network knows is loaded less often.

python examples/own_plan.py
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import imprint

EPOCHS = 4

mnist = imprint.load("mnist")
images, labels = mnist.train.images[:12_000].float() / 255, mnist.train.labels[:12_000]
dataset = TensorDataset(images, labels)
plan = imprint.SkipPlan(len(dataset), keep=0.4, epochs=EPOCHS)
loader = DataLoader(imprint.indexed(dataset), sampler=plan, batch_size=100)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(2704, 10)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

for epoch in range(EPOCHS):
    loaded = 0
    for index, (batch, targets) in loader:
        losses = F.cross_entropy(model(batch), targets, reduction="none")
        plan.record(index, losses)
        losses.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        loaded += len(index)
    model.eval()
    with torch.no_grad():
        right = model(mnist.test.images.float() / 255).argmax(1) == mnist.test.labels
    model.train()
    share = loaded / len(dataset)
    print(f"epoch {epoch + 1}: accuracy {right.float().mean():.2%}, loaded {share:.0%}")
