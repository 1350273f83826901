"""From what an attack came to to what `result.json` holds: flat, with stable keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imprint.attacking.examples import Example
from imprint.attacking.settings import AttackSettings
from imprint.training.results import versions
from imprint.types import ImageSet

__all__ = ["Attacked", "result_of"]


@dataclass(frozen=True, eq=False)
class Attacked:
    """All that an attack came to, before it is put into words.

    Attributes:
        part: the images.
        networks: a row a network: name, clean accuracy, images without a gradient.
        accuracy: a row an epsilon and pair of networks.
        noise: a row an epsilon and network.
        examples: of each network.
    """

    part: ImageSet
    networks: Sequence[dict[str, Any]]
    accuracy: Sequence[dict[str, Any]]
    noise: Sequence[dict[str, Any]]
    examples: Sequence[Example]


def result_of(
    attacked: Attacked, settings: AttackSettings, *, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Put what an attack came to into what JSON can hold.

    Args:
        attacked: all of it.
        settings: what was asked.
        seconds: of each stage.

    Returns:
        The result; `docs/attack.md` lists the keys.

    Examples:
        >>> import torch
        >>> part = ImageSet(torch.zeros(1, 1, 2, 2).byte(), torch.tensor([0]), ("a", "b"))
        >>> result = result_of(Attacked(part, [], [], [], []), AttackSettings(), seconds={})
        >>> result["attack"], result["steps"], result["step_size"]
        ('fgsm', 1, None)
    """
    asked = asdict(settings) | {
        "epsilons": sorted(settings.epsilons),
        "steps": 1 if settings.attack == "fgsm" else settings.pgd_steps,
        "examples": [_example(attacked.part, each) for each in attacked.examples],
    }
    return {
        "command": "attack",
        **asked,
        "images": len(attacked.part),
        "image_shape": list(attacked.part.images.shape[1:]),
        "class_names": list(attacked.part.class_names),
        "networks": list(attacked.networks),
        "accuracy": list(attacked.accuracy),
        "noise": list(attacked.noise),
        "seconds": dict(seconds),
        "versions": versions(),
    }


def _example(part: ImageSet, example: Example) -> dict[str, Any]:
    names = part.class_names
    return {
        "made_on": example.made_on,
        "image": example.row,
        "label": names[example.label],
        "answer": names[example.answer.label],
        "probability": round(example.answer.probability, 6),
        "shots": [
            {
                "epsilon": shot.epsilon,
                "answer": names[shot.answer.label],
                "probability": round(shot.answer.probability, 6),
            }
            for shot in example.shots
        ],
    }
