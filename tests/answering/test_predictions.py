import math

import pytest
import torch
from torch import nn

from imprint.answering import Named, predict
from imprint.errors import InvalidValueError
from imprint.types import Normalisation

SCALE = Normalisation((0.0,), (1.0,))
IMAGES = Named(["a", "b"], torch.tensor([[9, 0], [0, 9]], dtype=torch.uint8).view(2, 1, 2, 1))


class Lost(nn.Module):
    def forward(self, images):
        return torch.full((len(images), 2), torch.nan)


def test_a_network_that_gives_nan_gives_no_label():
    (answers,) = predict(Lost(), [IMAGES], ("x", "y"), SCALE)
    assert [own.label for own in answers] == ["", ""]
    assert all(math.isnan(own.confidence) for own in answers)


def test_each_logit_needs_a_name():
    with pytest.raises(InvalidValueError, match=r"class_names: .* got 3 for 2 logits"):
        list(predict(nn.Flatten(), [IMAGES], ("x", "y", "z"), SCALE))
