"""What was seen of a network: the result, its report, and the tensors behind it."""

from pathlib import Path
from typing import Any

from imprint.report import see_report
from imprint.runs import write_json, write_text
from imprint.sight.pictures import pictures_of
from imprint.sight.results import Seen

__all__ = ["Sight"]


class Sight:
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
        self.result = result
        self.ways = seen.ways
        self.patches = seen.patches
        self.health = seen.health
        self.evolution = seen.evolution
        self._seen = seen

    def to_html(self, path: Path | str, command: str = "") -> Path:
        """Write the report, one page that opens with no network.

        Args:
            path: where to.
            command: how to repeat it.

        Returns:
            The path.

        Raises:
            StorageError: where it cannot be written.
        """
        return write_text(Path(path), see_report(self.result, pictures_of(self._seen), command))

    def write(self, folder: Path, command: str = "") -> None:
        """Write `report.html` and `result.json` into a folder.

        Args:
            folder: that exists.
            command: how to repeat it.

        Raises:
            StorageError: where they cannot be written.
        """
        self.to_html(folder / "report.html", command)
        write_json(folder / "result.json", self.result)
