"""Lightning Fabric, set up for one device and precision."""

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from imprint.errors import DeviceError
from imprint.outputs import first_tensor
from imprint.training.settings import TrainSettings

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["build_fabric", "find_device", "run_both_ways"]

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}

WITHOUT_BF16 = {"AVX2"}
"""Processors, as PyTorch calls what they can do, that compute bfloat16 in software."""


def find_device(name: str) -> torch.device:
    """Find the device to train on.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the first GPU there is, else the CPU.

    Returns:
        The device.

    Raises:
        DeviceError: where there is no such device.

    Examples:
        >>> find_device("cpu")
        device(type='cpu')
    """
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next((gpu for gpu in found if found[gpu]), "cpu")
    there = [*(gpu for gpu in found if found[gpu]), "cpu"]
    if name not in there:
        raise DeviceError(f"device: expected one that is here ({', '.join(there)}), got {name}")
    return torch.device(name)


def build_fabric(settings: TrainSettings) -> "Fabric":
    """Set up Fabric, which holds device, precision and, later, several processes.

    Args:
        settings: names the device and the precision.

    Returns:
        A Fabric of one device.

    Raises:
        DeviceError: where device or precision is not to be had.

    Warns:
        UserWarning: for bfloat16 on a processor that has none, where it takes several times longer.

    Examples:
        >>> build_fabric(TrainSettings(device="cpu")).device
        device(type='cpu')
    """
    from lightning.fabric import Fabric

    device = find_device(settings.device)
    if settings.precision == "16" and device.type != "cuda":
        raise DeviceError(f"precision: expected 32 or bf16 on {device.type}, got 16")
    able = torch.backends.cpu.get_cpu_capability()
    if settings.precision == "bf16" and device.type == "cpu" and able in WITHOUT_BF16:
        warnings.warn(
            f"precision: expected 32 on a processor without bfloat16 ({able}), got bf16, which "
            "takes several times longer here",
            UserWarning,
            stacklevel=2,
        )
    precision = PRECISIONS[settings.precision]
    return Fabric(accelerator=device.type, devices=1, precision=precision)  # type: ignore[arg-type]


def run_both_ways(model: nn.Module, images: Tensor) -> None:
    """Run forward and backward, and keep nothing of it.

    Args:
        model: any `nn.Module`; no gradient is written.
        images: `(N, …)`, as it takes them.

    Examples:
        >>> model = nn.Linear(2, 1)
        >>> run_both_ways(model, torch.ones(1, 2)), model.weight.grad
        (None, None)
    """
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    if images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    loss = first_tensor(model(images), "the model's output").sum()
    torch.autograd.grad(loss, trained, allow_unused=True)
