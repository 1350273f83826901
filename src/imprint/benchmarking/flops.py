"""Floating-point operations of a training step, counted by PyTorch's own counter."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from imprint.outputs import first_tensor
from imprint.skipping import SkipGate
from imprint.taps import device_of, guest

__all__ = ["StepFlops", "step_flops"]

ROWS = 8
"""Rows of the batch that is counted."""


class StepFlops(NamedTuple):
    """Operations an image, one multiplication or addition each.

    Attributes:
        forward: of a forward pass alone.
        entered: of a training step, for each image that enters it.
        trained: of a training step, besides, for each image that is trained to its end.
    """

    forward: float
    entered: float
    trained: float

    def of(self, *, forwarded: int, entered: int, trained: int) -> float:
        """Count the operations of a training run.

        Args:
            forwarded: images that ran forward alone.
            entered: images that entered a training step.
            trained: images that were trained to the end of one.

        Returns:
            Floating-point operations.

        Examples:
            >>> StepFlops(1.0, 2.0, 3.0).of(forwarded=1, entered=10, trained=5)
            36.0
        """
        return self.forward * forwarded + self.entered * entered + self.trained * trained


def step_flops(
    model: nn.Module, shape: tuple[int, int, int], *, layer: str | None = None
) -> StepFlops:
    """Count the operations of a training step.

    Args:
        model: any `nn.Module` that gives logits; it is left as it was.
        shape: channels, height and width of the images.
        layer: where a gate lets rows leave; None for no gate.

    Returns:
        Operations an image. Without a gate all are counted for the images that are trained.

    Examples:
        >>> flops = step_flops(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), (1, 2, 2))
        >>> flops  # 2 · 4 · 3 forward, and as many for the weights' gradient
        StepFlops(forward=24.0, entered=0.0, trained=48.0)
    """
    device = device_of(model)
    images = torch.rand(ROWS, *shape, generator=torch.Generator().manual_seed(0)).to(device)
    with guest(model, training=True):
        with FlopCounterMode(display=False) as forward, torch.no_grad():
            model(images)
        whole = _counted(model, images, None, 1.0)
        part = whole if layer is None else _counted(model, images, layer, 0.25)
    rows = ROWS if layer is None else ROWS - ROWS // 4
    trained = (whole - (0 if layer is None else part)) / rows
    return StepFlops(forward.get_total_flops() / ROWS, whole / ROWS - trained, trained)


def _counted(model: nn.Module, images: Tensor, layer: str | None, keep: float) -> int:
    """Operations of one forward and backward pass; gradients are not kept."""
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with FlopCounterMode(display=False) as counter:
        if layer is None:
            logits = first_tensor(model(images), "the model's output")
        else:
            gate = SkipGate(model, layer=layer, num_classes=2, keep=keep, rule="random")
            gate._proven = True  # noqa: SLF001 - the proof's own passes are not to be counted
            with gate(labels):
                logits = first_tensor(model(images), "the model's output")
            labels = gate.labels
        loss = F.cross_entropy(logits, labels)
        torch.autograd.grad(loss, weights, allow_unused=True)
    return int(counter.get_total_flops())
