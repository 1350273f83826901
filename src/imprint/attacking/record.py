"""What an attack came to: the result, its report, and the images behind it."""

from pathlib import Path
from typing import Any

from imprint.attacking.pictures import pictures_of
from imprint.attacking.results import Attacked
from imprint.report import attack_report
from imprint.runs import write_json, write_text

__all__ = ["AttackResult"]


class AttackResult:
    """What `attack` came to.

    Attributes:
        result: what `result.json` holds; `docs/attack.md` lists the keys.
        examples: a few images of each network, before and after.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from imprint.attacking import AttackSettings, attack
        >>> from imprint.types import ImageSet
        >>> images = torch.tensor([200, 90], dtype=torch.uint8).view(1, 2, 1, 1)
        >>> pair = ImageSet(images, torch.tensor([0]), ("first", "second"))
        >>> found = attack(nn.Flatten(), pair, settings=AttackSettings(epsilons=(0.25,)))
        >>> found.examples[0].shots[0].image.shape
        torch.Size([2, 1, 1])
    """

    def __init__(self, attacked: Attacked, result: dict[str, Any]) -> None:
        self.result = result
        self.examples = tuple(attacked.examples)
        self._attacked = attacked

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
        looks = pictures_of(self._attacked)
        return write_text(Path(path), attack_report(self.result, looks, command))

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
