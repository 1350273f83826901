"""A network of your own for the command line; the layer may be any that all data flow through.

imprint train mnist --model examples/own_network.py:build --layer features.2 --compare --epochs 1
"""

from torch import nn


def build(num_classes: int, in_channels: int) -> nn.Module:
    """Build the network; Imprint fills in those of these arguments that a factory asks for."""
    model = nn.Sequential()
    model.add_module(
        "features",
        nn.Sequential(
            nn.Conv2d(in_channels, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
        ),
    )
    model.add_module("classifier", nn.Sequential(nn.Flatten(), nn.Linear(32 * 16, num_classes)))
    return model
