"""What an attack came to: the result, its report, and the images behind it."""

from typing import Any

from imprint.attacking.pictures import pictures_of
from imprint.attacking.results import Attacked
from imprint.report import Reported, attack_report

__all__ = ["AttackResult"]


class AttackResult(Reported):
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
        super().__init__(result)
        self.examples = tuple(attacked.examples)
        self._attacked = attacked

    def page(self, command: str = "") -> str:
        """Make the report; see `Reported`."""
        return attack_report(self.result, pictures_of(self._attacked), command)
