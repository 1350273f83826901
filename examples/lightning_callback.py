"""A Lightning training with a gate and a plan: what is known is loaded less, and leaves early.

python examples/lightning_callback.py
"""

import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import imprint
from imprint.callbacks.lightning import SkipCallback

EPOCHS = 4


class Classifier(L.LightningModule):
    """A small network; three lines of its training step are Imprint's."""

    def __init__(self, plan: imprint.SkipPlan) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()),
            nn.Sequential(nn.Conv2d(16, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(32 * 6 * 6, 10),
        )
        gate = imprint.SkipGate(self.network, layer="0", num_classes=10, keep=0.7)
        self.skip = SkipCallback(gate, plan=plan)

    def training_step(self, batch: list) -> torch.Tensor:
        """Train on the rows that stay."""
        index, (images, labels) = batch
        with self.skip(labels):
            logits = self.network(images)
        losses = F.cross_entropy(logits, self.skip.labels, reduction="none")
        return self.skip.mean(losses, index)

    def on_train_epoch_end(self) -> None:
        """Say how many rows were loaded, and how many of those were trained on."""
        print(f"epoch {self.current_epoch + 1}: {self.skip.seen:,} loaded, {self.skip.kept:,} kept")

    def test_step(self, batch: list) -> None:
        """Test as ever: outside the block nothing leaves."""
        images, labels = batch
        right = self.network(images).argmax(1) == labels
        self.log("accuracy", right.float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Train with AdamW."""
        return torch.optim.AdamW(self.parameters(), lr=0.003)


mnist = imprint.load("mnist")
train = TensorDataset(mnist.train.images[:12_000].float() / 255, mnist.train.labels[:12_000])
test = TensorDataset(mnist.test.images.float() / 255, mnist.test.labels)
plan = imprint.SkipPlan(len(train), keep=0.5, epochs=EPOCHS)

module = Classifier(plan)
trainer = L.Trainer(
    max_epochs=EPOCHS,
    callbacks=[module.skip],
    reload_dataloaders_every_n_epochs=1,  # a plan's epochs differ in length
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_model_summary=False,
    enable_progress_bar=False,
)
trainer.fit(module, DataLoader(imprint.indexed(train), sampler=plan, batch_size=100))
(result,) = trainer.test(module, DataLoader(test, batch_size=500), verbose=False)
print(f"accuracy {result['accuracy']:.2%}")
