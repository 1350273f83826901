"""A training by the Hugging Face Trainer with a gate and a plan.

python examples/huggingface_callback.py
"""

import tempfile

import torch
from torch import Tensor, nn
from transformers import TrainingArguments

import imprint
from imprint.callbacks.huggingface import SkipCallback, SkipTrainer


class Network(nn.Module):
    """A small network in the Trainer's manner: inputs by name, and a dict of logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32 * 6 * 6, 10)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Give the logits."""
        return {"logits": self.head(self.body(self.stem(pixel_values)).flatten(1))}


mnist = imprint.load("mnist")
images, labels = mnist.train.images[:12_000].float() / 255, mnist.train.labels[:12_000].tolist()
dataset = [
    {"pixel_values": image, "labels": label} for image, label in zip(images, labels, strict=True)
]

torch.manual_seed(0)
model = Network()
gate = imprint.SkipGate(model, layer="stem", num_classes=10, keep=0.7)
plan = imprint.SkipPlan(len(dataset), keep=0.5, epochs=4, dense_start=0)
skip = SkipCallback(gate, plan=plan)

with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        num_train_epochs=4,
        per_device_train_batch_size=100,
        learning_rate=0.003,
        remove_unused_columns=False,  # lets the samples' index through
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = SkipTrainer(model, arguments, train_dataset=skip.planned(dataset), callbacks=[skip])
    trainer.train()
print(f"of {len(dataset):,}, the last epoch loaded {skip.seen:,} and trained on {skip.kept:,}")

model.eval()
with torch.no_grad():
    logits = model(mnist.test.images.float() / 255)["logits"]
print(f"accuracy {(logits.argmax(1) == mnist.test.labels).float().mean():.2%}")
