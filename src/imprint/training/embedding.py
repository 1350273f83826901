"""A network that gives each sound a vector: statistics or a signature, then a map solved for."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.models import build_model
from imprint.signatures import signature
from imprint.sound_statistics import WINDOW, cut_windows, sound_statistics
from imprint.taps import Tap
from imprint.whitening import Whitening

__all__ = ["EMBEDDING", "STATISTICS", "Embedding", "SignatureOf", "Statistics", "build_embedding"]

STATISTICS = "statistics"
"""The model that is none: statistics of the sound, which nothing is trained for."""

EMBEDDING = "embedding"
"""The layer whose maps are the vectors."""

Shape = tuple[int, int, int]


class Statistics(nn.Module):
    """Statistics of each window of sounds: `(N, 2, H, T)` to `(N, W, D)`; NaN of silent ones."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.tensor(WINDOW))  # a run keeps what it was solved for

    def forward(self, images: Tensor) -> Tensor:
        """Take the statistics of sounds."""
        windows = cut_windows(images, int(self.window))
        statistics = sound_statistics(windows.flatten(0, 1))
        each = statistics.view(*windows.shape[:2], statistics.shape[1])
        silent = windows.flatten(2).amax(2, keepdim=True) <= 0
        return each.masked_fill(silent, torch.nan)


class SignatureOf(nn.Module):
    """The signature of a network at a layer, through which gradients lead.

    Args:
        network: any `nn.Module` that takes images.
        layer: a name out of `network.named_modules()`.
    """

    def __init__(self, network: nn.Module, layer: str) -> None:
        super().__init__()
        self.network, self.layer = network, layer

    def forward(self, images: Tensor) -> Tensor:
        """Take the signatures `(N, 2C)` of images."""
        with Tap(self.network, self.layer) as tap:
            self.network(images)
            return signature(tap.maps)


class _Whitened(nn.Module):
    """Features to vectors of length 1, by a map that is solved for rather than learnt.

    Of features `(N, W, D)` each window's vector is taken, and the direction of their mean; windows
    of NaN, which are silent, have no part in it. Where there are no others, the vector is 0.
    """

    signed = True  # an index keeps the vectors' signs
    mean: Tensor
    deviation: Tensor
    matrix: Tensor

    def __init__(self, size: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.register_buffer("matrix", torch.eye(dimensions, size))

    def forward(self, features: Tensor) -> Tensor:
        solved = Whitening(self.mean, self.deviation, self.matrix)
        vectors = F.normalize(solved(features.to(self.matrix)), dim=-1)
        return vectors if features.ndim == 2 else F.normalize(vectors.nansum(1), dim=1)


class Embedding(nn.Module):
    """Gives each sound a vector of length 1, silence one of 0; those of one track lie close.

    Args:
        features: images `(N, 2, H, T)` to `(N, D)`, or to `(N, W, D)`, of each of W windows.
        size: D.
        dimensions: of the vectors, at most D.

    Examples:
        >>> Embedding(Statistics(), 852, 852)(torch.rand(2, 2, 64, 40)).norm(dim=1).round()
        tensor([1., 1.])
    """

    def __init__(self, features: nn.Module, size: int, dimensions: int) -> None:
        super().__init__()
        self.features = features
        self.embedding = _Whitened(size, dimensions)

    def forward(self, images: Tensor) -> Tensor:
        """Give the vectors of sounds."""
        vectors: Tensor = self.embedding(self.features(images))
        return vectors

    @property
    def dimensions(self) -> int:
        """K, of the vectors."""
        return len(self.embedding.matrix)

    def take(self, whitening: Whitening) -> None:
        """Take over a map that was solved for."""
        for name, value in whitening._asdict().items():
            setattr(self.embedding, name, value.to(self.embedding.mean))


def build_embedding(
    name: str, shape: Shape, layer: str | None, dimensions: int | None = None, *, seed: int = 0
) -> Embedding:
    """Build the network of a run that tells tracks apart, before anything is learnt.

    Args:
        name: `statistics`, or a network as for `build_model`.
        shape: channels, height and width of the images.
        layer: of the network, where signatures are taken.
        dimensions: of the vectors; None, or more than there are features, for as many.
        seed: of the network's first weights.

    Returns:
        The network.

    Raises:
        InvalidValueError: for an unknown name, no layer of a network, or images that will not do.
        LayerError: where the network has no such layer.

    Examples:
        >>> build_embedding("statistics", (2, 64, 100), None).embedding.matrix.shape
        torch.Size([852, 852])
    """
    if name == STATISTICS:
        features: nn.Module = Statistics()
    else:
        network = build_model(name, shape, None, seed=seed)
        if layer is None:
            layers = ", ".join(own for own, _ in network.named_modules() if own)[:300]
            raise InvalidValueError(f"layer: expected one of {layers}; got none")
        features = SignatureOf(network, layer)
    with torch.no_grad():
        size = features.eval()(torch.zeros(1, *shape)).shape[-1]
    return Embedding(features, size, min(size, dimensions or size))
