"""Where a network lies, and in which layout."""

import torch
from torch import nn

__all__ = ["channels_last", "device_of"]


def device_of(model: nn.Module) -> torch.device:
    """Name the device that a network is on.

    Args:
        model: any `nn.Module`.

    Returns:
        That of its first parameter; the CPU where it has none.

    Examples:
        >>> device_of(nn.Flatten())
        device(type='cpu')
    """
    return next(model.parameters(), torch.empty(0)).device


def channels_last(model: nn.Module) -> nn.Module:
    """Lay a network's weights out with channels last, in which convolutions are fastest.

    Args:
        model: any `nn.Module`; changed in place. Its answers stay the same but for rounding.

    Returns:
        The same network.

    Examples:
        >>> channels_last(nn.Conv2d(2, 2, 3)).weight.stride()
        (18, 1, 6, 2)
    """
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model
