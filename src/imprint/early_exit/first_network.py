"""A small network that answers what it is sure of before the other one begins."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from imprint.early_exit.heads import margins
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import check_free, guest

__all__ = ["FIRST", "FirstNetwork", "check_first"]

FIRST = "first network"
"""What stands for a layer's name where images are answered before the network; no layer has it."""


@dataclass(frozen=True, eq=False)
class FirstNetwork:
    """A small network that is asked first: an exit before all layers.

    Attributes:
        network: gives logits `(N, K)` of the same classes, of the same images; in eval mode.
        shape: of an image, without the batch: another shape is an error.
        threshold: the least margin of an answer; infinity closes the exit.
        layer: `first network`.

    Source: Viola & Jones (2001) for a cascade; Wang et al. (2017), "IDK cascades".

    Examples:
        >>> first = FirstNetwork(nn.Flatten().eval(), (2, 1, 1), 3.0)
        >>> logits, sureness = first.answer(torch.tensor([[9.0, 1.0]])[:, :, None, None])
        >>> logits, sureness
        (tensor([[9., 1.]]), tensor([8.]))
    """

    network: nn.Module
    shape: tuple[int, ...]
    threshold: float
    layer: str = FIRST

    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Answer images.

        Args:
            images: `(N, C, H, W)`, as the network takes them.

        Returns:
            Logits `(N, K)`, float32, and how sure each is, `(N,)`.

        Raises:
            InvalidValueError: where the network is in train mode, or gives no logits of each image.
        """
        if self.network.training:
            raise InvalidValueError("first: expected one in eval mode, got one in train mode")
        logits = _asked(self.network, images).float()
        if logits.ndim != 2 or len(logits) != len(images) or logits.shape[1] < 2:
            expected = f"logits ({len(images)}, K), K at least 2"
            raise InvalidValueError(f"first: expected {expected}; got {tuple(logits.shape)}")
        return logits, margins(logits)

    def to(self, device: torch.device) -> "FirstNetwork":
        """Bring it to where images are.

        Args:
            device: of the images.

        Returns:
            The same where it is there already, else one with a copy of the network.
        """
        there = next((weight.device for weight in self.network.parameters()), device)
        if there == device:
            return self
        return replace(self, network=deepcopy(self.network).to(device))


@torch.no_grad()
def check_first(first: Any, model: nn.Module, images: Tensor) -> None:
    """Check that a network can be asked before another one.

    Args:
        first: the network.
        model: the other one.
        images: `(N, C, H, W)`, a few, as both take them.

    Raises:
        InvalidValueError: where it is no `nn.Module`, the same network, or gives other logits.
        LayerError: where its exits, or a gate, are open.

    Examples:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> check_first(model, model, torch.zeros(2, 1, 2, 2))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: first: expected another network than the model, got it
    """
    if not isinstance(first, nn.Module):
        raise InvalidValueError(f"first: expected an nn.Module, got {type(first).__name__}")
    if first is model:
        raise InvalidValueError("first: expected another network than the model, got it")
    check_free(first)
    with guest(model), guest(first):
        expected = tuple(first_tensor(model(images), "the model").shape)
        try:
            with torch.autocast(images.device.type, enabled=False):  # as it is asked later
                got = tuple(_asked(first, images).shape)
        except Exception as error:  # whatever a user's own code raises
            takes = f"images {tuple(images.shape[1:])} of {images.device}"
            reason = " ".join(str(error).split())[:200]
            raise InvalidValueError(f"first: expected one that takes {takes}, {reason}") from error
    if got != expected:
        raise InvalidValueError(f"first: expected logits {expected}, as of the model; got {got}")


def _asked(network: nn.Module, images: Tensor) -> Tensor:
    """What a network says of images, which are brought to the precision of its weights."""
    weight = next((own for own in network.parameters() if own.is_floating_point()), images)
    return first_tensor(network(images.to(weight.dtype)), FIRST)
