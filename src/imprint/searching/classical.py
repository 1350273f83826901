"""Signatures of sound without a network: the classical baseline."""

from typing import Any

import torch
from torch import Tensor

from imprint.hashes import hash_tensors
from imprint.searching.hearing import sound_vectors
from imprint.searching.usual_sound import DEVIATION, MEAN

__all__ = ["ClassicalSigner"]


class ClassicalSigner:
    """Gives sounds their classical signatures: MFCC and chroma, their means and deviations.

    Nothing is learnt: it is what trained signatures have to beat. See `sound_vectors`.

    Attributes:
        layer: what an index says in place of a layer.
        said: what it says of it; see `Signer`.

    Examples:
        >>> ClassicalSigner()(torch.zeros(2, 2, 64, 32).byte()).shape
        torch.Size([2, 64])
    """

    layer = "mfcc-chroma"

    def __init__(self) -> None:
        usual = {"mean": torch.tensor(MEAN), "deviation": torch.tensor(DEVIATION)}
        self.said: dict[str, Any] = {"model": hash_tensors(usual, self.layer), "layer": self.layer}

    def __call__(self, images: Tensor) -> Tensor:
        """Give the signatures of images of sound `(N, 2, H, T)`: `(N, 64)`."""
        return sound_vectors(images)
