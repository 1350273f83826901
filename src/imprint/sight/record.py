"""What was seen of a network: the result, its report, and the tensors behind it."""

from typing import Any

from imprint.report import Reported, see_report
from imprint.sight.pictures import pictures_of
from imprint.sight.results import Seen

__all__ = ["Sight"]


class Sight(Reported):
    """A network as `see` found it.

    Attributes:
        result: what `result.json` holds; `docs/see.md` lists the keys.
        ways: of some images: maps of each layer, the answer, Grad-CAM, occlusion.
        patches: the top patches of some layers, with their projections.
        health: a row a layer.
        evolution: of a few layers over the epochs, where training kept maps.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from imprint.sight import see
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> sight = see(model, torch.rand(4, 1, 8, 8))
        >>> sight.ways[0].maps[1].shape
        (4, 6, 6)
    """

    def __init__(self, seen: Seen, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.ways = seen.ways
        self.patches = seen.patches
        self.health = seen.health
        self.evolution = seen.evolution
        self._seen = seen

    def page(self, command: str = "") -> str:
        """Make the report; see `Reported`."""
        return see_report(self.result, pictures_of(self._seen), command)
