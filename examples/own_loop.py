"""A training loop of your own, with a gate: three lines of it are Imprint's.

python examples/own_loop.py
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import imprint

mnist = imprint.load("mnist")
images, labels = mnist.train.images[:12_000].float() / 255, mnist.train.labels[:12_000]
loader = DataLoader(TensorDataset(images, labels), batch_size=100, shuffle=True, drop_last=True)

model = nn.Sequential(
    nn.Sequential(nn.Conv2d(1, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()),
    nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()),
    nn.Flatten(),
    nn.Linear(32 * 6 * 6, 10),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

gate = imprint.SkipGate(model, layer="0", num_classes=10, keep=0.5)
for epoch in range(3):
    trained = 0
    for batch, targets in loader:
        with gate(targets):
            logits = model(batch)
        loss = F.cross_entropy(logits, gate.labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        trained += len(gate.labels)
    model.eval()
    with torch.no_grad():
        right = model(mnist.test.images.float() / 255).argmax(1) == mnist.test.labels
    model.train()
    share = trained / len(images)
    print(f"epoch {epoch + 1}: accuracy {right.float().mean():.2%}, trained on {share:.0%}")
