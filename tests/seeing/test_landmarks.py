"""A few layers that stand for the whole network."""

import torch
from torch import nn

from imprint.models import build_model
from imprint.seeing import landmarks

IMAGES = torch.zeros(1, 3, 32, 32)


def test_the_last_layer_of_each_resolution():
    model = build_model("conv4", (3, 32, 32), 10)
    assert landmarks(model, IMAGES) == ("block1.0", "block2.0", "block3.0", "block4.2")


def test_the_last_ones_of_many():
    model = build_model("conv4", (3, 32, 32), 10)
    assert landmarks(model, IMAGES, most=2) == ("block3.0", "block4.2")


def test_single_pixels_count_where_there_is_nothing_else():
    assert landmarks(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), IMAGES) == ("0",)
