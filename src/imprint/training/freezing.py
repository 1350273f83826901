"""Freezing a network up to a layer: from the start, or while it trains."""

import torch
from torch import nn

from imprint.errors import LayerError
from imprint.on_maps import Rest
from imprint.skipping import ProgressiveFreezing
from imprint.training.settings import TrainSettings

__all__ = ["build_freezing", "freeze"]


def freeze(model: nn.Module, settings: TrainSettings, shape: tuple[int, int, int]) -> Rest:
    """Freeze what lies before a layer, and the layer.

    Args:
        model: whose parameters there need no gradients from now on.
        settings: name the layer, `freeze_to`, and where a gate taps.
        shape: channels, height and width of the images.

    Returns:
        The rest of the network.

    Raises:
        LayerError: where the layer cannot part the network, or a gate would tap before it.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> _ = freeze(model, TrainSettings(freeze_to="1"), (1, 8, 8))
        >>> [name for name, weight in model.named_parameters() if weight.requires_grad]
        ['3.weight', '3.bias']
    """
    rest = Rest(model, settings.freeze_to or "", shape)
    if settings.layer is not None and rest.holds(settings.layer):
        problem = f"expected one after {rest.layer}, up to which the network is frozen"
        raise LayerError(f"layer: {problem}; got {settings.layer}")
    for name, weight in model.named_parameters():
        if name in rest.frozen:
            weight.requires_grad = False
    return rest


def build_freezing(
    model: nn.Module, settings: TrainSettings, shape: tuple[int, ...]
) -> ProgressiveFreezing | None:
    """Build what freezes a network while it trains.

    Args:
        model: on the CPU.
        settings: say after which layer, and when, `freeze_after`.
        shape: channels, height and width of the images.

    Returns:
        The freezing; None where all learn to the end.

    Raises:
        InvalidValueError: for a share out of its range.
        LayerError: for a layer that cannot part the network.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> build_freezing(model, TrainSettings(freeze_after={"1": 0.25}), (1, 8, 8)).times
        {'1': 0.25}
    """
    if settings.freeze_after is None:
        return None
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    return ProgressiveFreezing(model, images, settings.freeze_after)
