"""How an image's way is looked at: at how many places it is covered."""

import pytest
import torch
from torch import nn

from imprint.sight.settings import SeeSettings
from imprint.sight.subject import Subject
from imprint.sight.ways import way_of


class Counted(nn.Module):
    """Counts the images that it is asked about."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.images = 0

    def forward(self, images):
        self.images += len(images)
        return self.conv(images).mean((2, 3))


@pytest.mark.parametrize(("side", "places"), [(8, 8), (32, 28), (64, 28), (224, 12)])
def test_large_images_are_covered_at_fewer_places(side, places):
    model, subject = Counted(), Subject(torch.rand(1, 1, side, side))
    way, why = way_of(model, subject, 0, settings=SeeSettings(), cam=None)
    assert why == ""
    assert way.covered.shape == (side, side)
    assert places**2 <= model.images <= places**2 + 6  # and as it is, a few times
