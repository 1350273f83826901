"""A network and a layer, as what gives images their signatures."""

from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from imprint.data import normalise
from imprint.errors import InvalidValueError
from imprint.hashes import hash_network, hash_tensors
from imprint.outputs import first_tensor
from imprint.signatures import Deviation, signature
from imprint.taps import check_free, find_layer, maps_at
from imprint.types import Normalisation

__all__ = ["Signer"]

_ONE_AT_A_TIME = Lock()
"""Of threads that search: what one has put on a network would meet the pass of another."""

SOUND_CHANNELS = 2
"""Log-mel and chroma; no image of anything else has two."""


class Signer:
    """Gives images their signatures at a layer of a network.

    Args:
        model: any `nn.Module` that takes images, of any precision; it is left as it was.
        layer: a name out of `model.named_modules()`.
        normalisation: of images in bytes; None scales them to [0, 1]. Floats go in as they are.
        deviation: of the signatures, as for `imprint.signature`.

    Attributes:
        layer: likewise.
        said: what an index says of it; its `model` is a hash that tells apart networks, layers and
            ways whose signatures are not to be compared.

    Raises:
        LayerError: where the model has no such layer.

    Examples:
        >>> signer = Signer(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), "1")
        >>> signer(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str,
        normalisation: Normalisation | None = None,
        deviation: Deviation = "population",
    ) -> None:
        self._signed = bool(getattr(find_layer(model, layer), "signed", False))
        self._model, self.layer = model, layer
        self._normalisation, self._deviation = normalisation, deviation
        scale = None if normalisation is None else tuple(map(tuple, normalisation))
        way = "signed" if self._signed else deviation
        self.said: dict[str, Any] = {
            "model": hash_tensors({}, hash_network(model), layer, scale, way),
            "layer": layer,
            "normalisation": normalisation,
            "deviation": deviation,
        }

    def __call__(self, images: Tensor) -> Tensor:
        """Give the signatures of images `(N, C, H, W)`, uint8 or floats: `(N, D)`, on the CPU.

        Of a layer that is an embedding (its module says `signed`) the vectors `(N, C)` stand in
        place of the means, with their signs; all deviations are 0. The signatures of silence, of
        two channels in bytes that are zero, are zeros: similar to nothing.
        """
        maps = self.maps(images)
        if self._signed:  # a magnitude would lose the signs
            signatures = torch.stack((maps, torch.zeros_like(maps)), 2).flatten(1).float().cpu()
        else:
            signatures = signature(maps, deviation=self._deviation).float().cpu()
        if images.shape[1] == SOUND_CHANNELS and images.dtype == torch.uint8:
            signatures[images.flatten(1).amax(1).cpu() == 0] = 0
        return signatures

    def maps(self, images: Tensor) -> Tensor:
        """Give the layer's maps of images `(N, C, H, W)`, uint8 or floats; in any thread."""
        if images.ndim != 4:
            raise InvalidValueError(f"images: expected (N, C, H, W), got {tuple(images.shape)}")
        scale = self._normalisation
        if images.dtype == torch.uint8 and scale is None:
            channels = images.shape[1]
            scale = Normalisation((0.0,) * channels, (1.0,) * channels)
        given = normalise(images, scale if images.dtype == torch.uint8 else None)
        weights = (*self._model.parameters(), *self._model.buffers())
        weight = next((own for own in weights if own.is_floating_point()), given)
        with _ONE_AT_A_TIME:
            check_free(self._model)
            return first_tensor(maps_at(self._model, self.layer, given.to(weight)), self.layer)
