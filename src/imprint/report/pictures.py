"""Images as text within a page."""

import base64
import io

from torch import Tensor

__all__ = ["picture"]

LARGEST = 96
"""Pixels of a picture's longer side; smaller ones are enlarged by the browser."""


def picture(image: Tensor) -> str:
    """Encode an image as a `data:` address.

    Args:
        image: `(C, H, W)`, uint8, C of 1 or 3.

    Returns:
        A PNG, at most 96 pixels on its longer side.

    Examples:
        >>> import torch
        >>> picture(torch.zeros(1, 8, 8, dtype=torch.uint8))[:22]
        'data:image/png;base64,'
    """
    from PIL import Image

    pixels = image.permute(1, 2, 0).cpu().numpy()
    shown = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    shown.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    shown.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
