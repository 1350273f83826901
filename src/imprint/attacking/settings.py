"""How to attack networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

from imprint.counts import check_count
from imprint.errors import InvalidValueError
from imprint.robustness import LOSSES, PGD_STEPS, Attack, check_epsilon, fgsm, pgd, step_size_of

__all__ = ["ATTACKS", "AttackSettings"]


@dataclass(frozen=True, kw_only=True)
class AttackSettings:
    """How to attack networks.

    Args:
        attack: `fgsm`, one step, or `pgd`, many.
        epsilons: largest changes of a pixel, of pixels in [0, 1], each once.
        loss: that the attack makes large: `cross-entropy`, as is usual, or `log-odds`, whose
            gradient is not rounded away where a network is sure.
        steps: of `pgd`, at least 1; None takes 20.
        step_size: change of a pixel in one step of `pgd`, in (0, 1]; None takes
            2.5 epsilon / steps.
        seed: of the places where `pgd` starts, and of the noise; in 0 … 2^63 - 1.
        batch_size: images attacked together, at least 1.
        examples: images of each network that are shown, at least 1.

    Raises:
        InvalidValueError: for a value out of its range.

    Source: Madry et al. (2018), "Towards deep learning models resistant to adversarial attacks",
    for the step size.

    Examples:
        >>> AttackSettings(epsilons=(8,))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: epsilon: expected a size in [0, 1], in pixel units, got 8
    """

    attack: str = "fgsm"
    epsilons: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
    loss: str = "cross-entropy"
    steps: int | None = None
    step_size: float | None = None
    seed: int = 0
    batch_size: int = 500
    examples: int = 6

    def __post_init__(self) -> None:
        _check_among("attack", self.attack, ATTACKS)
        _check_among("loss", self.loss, LOSSES)
        _check_epsilons(self.epsilons)
        for name, least in (("seed", 0), ("batch_size", 1), ("examples", 1)):
            check_count(name, getattr(self, name), least)
        if self.attack == "fgsm":
            for name in ("steps", "step_size"):
                if getattr(self, name) is not None:
                    got = getattr(self, name)
                    raise InvalidValueError(
                        f"{name}: expected none with fgsm, which takes one step; got {got}"
                    )
        step_size_of(0, self.pgd_steps, self.step_size)

    @property
    def pgd_steps(self) -> int:
        """The steps of `pgd`."""
        return PGD_STEPS if self.steps is None else self.steps

    def maker(self) -> Attack:
        """Build what makes the images; each one built draws the same random numbers."""
        return ATTACKS[self.attack](self)


def _fgsm(settings: AttackSettings) -> Attack:
    return partial(fgsm, loss=LOSSES[settings.loss])


def _pgd(settings: AttackSettings) -> Attack:
    return partial(
        pgd,
        steps=settings.pgd_steps,
        step_size=settings.step_size,
        generator=torch.Generator().manual_seed(settings.seed),
        loss=LOSSES[settings.loss],
    )


ATTACKS: dict[str, Callable[[AttackSettings], Attack]] = {"fgsm": _fgsm, "pgd": _pgd}
"""By the names that settings give them; a further attack is one more line."""


def _check_among(name: str, value: str, known: Mapping[str, object]) -> None:
    if value not in known:
        raise InvalidValueError(f"{name}: expected {' or '.join(known)}, got {value!r}")


def _check_epsilons(epsilons: tuple[float, ...]) -> None:
    if not isinstance(epsilons, tuple | list):
        raise InvalidValueError(f"epsilons: expected a tuple of sizes, got {epsilons!r}")
    if not epsilons:
        raise InvalidValueError("epsilon: expected at least one, got none")
    for epsilon in epsilons:
        check_epsilon(epsilon)
    twice = [each for each in epsilons if epsilons.count(each) > 1]
    if twice:
        raise InvalidValueError(f"epsilon: expected each once, got {twice[0]:g} twice")
