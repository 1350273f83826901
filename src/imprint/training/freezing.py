"""Freezing a network up to a layer, before its optimizer is built."""

from torch import nn

from imprint.errors import LayerError
from imprint.on_maps import Rest
from imprint.training.settings import TrainSettings

__all__ = ["freeze"]


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
