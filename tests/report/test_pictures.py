"""Pictures within a page, those of sound among them."""

import base64
import io

import pytest
import torch
from PIL import Image

from imprint.report import tile_grid
from imprint.report.pictures import picture, sprite_sheets, to_look_at


def opened(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2] or address)))


def sound():
    """Log-mel with its lowest row bright, chroma dark throughout."""
    image = torch.zeros(2, 16, 50, dtype=torch.uint8)
    image[0, 0] = 255
    return image


def test_sound_stands_upright_mel_above_chroma():
    shown = to_look_at(sound()[None])[0, 0]
    assert shown.shape == (32, 32)
    assert shown.float().mean(1).nonzero()[:, 0].tolist() == [15]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_as_they_are(channels):
    image = torch.randint(256, (2, channels, 8, 9), dtype=torch.uint8)
    assert to_look_at(image) is image


def test_sound_is_shown_wherever_images_are():
    assert opened(picture(sound())).size == (32, 32)
    assert opened(sprite_sheets(sound()[None])[0]).size == (960, 960)
    assert opened(tile_grid([sound()], note="sound").source).mode == "RGBA"
