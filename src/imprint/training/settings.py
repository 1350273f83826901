"""What a training run is told: one frozen record, checked before any work begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from imprint.data.augmentation import check_augmentations
from imprint.errors import InvalidValueError
from imprint.memory import ThresholdReading
from imprint.signatures import Deviation
from imprint.skipping import HISTORY_RULES, PLANS, RULES, check_times, keep_at

__all__ = ["Device", "Optimizer", "Precision", "Schedule", "Skip", "Tier", "TrainSettings"]

Skip = Literal[
    "none",
    "imprint",
    "paper",
    "cosine",
    "random",
    "top",
    "infobatch",
    "orderdp",
    "kakurenbo",
    "early-stopping",
    "partial-forward-blocking",
    "selective-backprop",
]
Tier = Literal["plan", "gate", "both"]
Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["one-cycle", "cosine", "step", "constant"]
Precision = Literal["32", "bf16", "16"]
Device = Literal["auto", "cpu", "cuda", "mps"]

DEFAULT_RATES: dict[str, float] = {"sgd": 0.2, "adamw": 0.005}
"""The highest learning rate of each optimizer where none is given."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train a network.

    Args:
        model: a built-in name, `module:factory` or `file.py:factory`.
        layer: the layer to tap; None takes a built-in network's own.
        skip: the rule by which samples are left out, or `none`.
        tier: where they are left out: `plan`, before an epoch loads them; `gate`, within the
            network; or `both`, one after the other, each with the keep ratio. None takes the plan
            for the rules that have one, else the gate.
        keep: the share of all samples that stays, in (0, 1]; `paper` decides that by itself.
        cover: the part of all known loss that the samples of an epoch hold, in (0, 1]; in a plan of
            ours it takes the place of `keep`. None leaves it at that.
        class_floor: the part of the keep ratio that a plan leaves each class at least, in [0, 1].
        batch_shrink: how far a step shrinks with the share that a plan's epoch keeps: it takes
            `batch_size·share^batch_shrink` images; with 0 as many as ever, so there are fewer
            steps, with 1 so many that there are as many steps.
        hold_suspects: whether a plan of ours holds back samples whose label the network keeps
            contradicting, and the result lists them.
        renew_norm: whether the statistics of batch norm are taken anew from images drawn from all,
            after the last epoch.
        threshold_reading: the paper's threshold by its `text` or its `formula`.
        deviation: of the gate's signatures: `population`, or `paper` for its formula as printed.
        memory_decay: how the class memory fades with each batch, in (0, 1].
        dense_start: the share of the epochs, at the start, in which nothing is skipped; `paper`
            skips from the first batch.
        dense_end: likewise at the end.
        epochs: at least 1.
        batch_size: samples a step, at least 1.
        optimizer: `sgd` (Nesterov momentum) or `adamw`.
        lr: the highest learning rate; None takes the optimizer's own default.
        momentum: of `sgd`, in [0, 1).
        weight_decay: at least 0.
        schedule: of the learning rate, by optimizer steps: `one-cycle`, `cosine`, `step`
            (a tenth at a half and at three quarters) or `constant`.
        precision: `32`, or mixed `bf16` or `16`.
        clip: the largest norm of all gradients together, or None.
        label_smoothing: in [0, 1).
        device: `auto` takes a GPU where there is one.
        seed: of weights, order, augmentation and rule.
        target: a test accuracy in (0, 1] at which to stop, or None.
        familiarity: whether a run that plans also reads, for its report, how familiar each sample
            is at the layer; that costs a few percent.
        augment: whether to augment images at random.
        augmentations: by which, names of `imprint.data.AUGMENTATIONS` in their order; None takes
            those that fit the data set.
        keep_maps: how many test images' maps and signatures are kept at a few layers after each
            epoch, for `imprint see`, in 0 … 256; that changes nothing in the training.
        freeze_to: a layer up to which the network is frozen, it included: its maps of all images
            are taken once, and only the rest is trained. None trains all.
        freeze_after: for a layer, or several, the share of the epochs, in [0, 1], after which the
            network learns no more up to it, it included, as `{"block1": 0.25}`. None lets all learn
            to the end.

    Raises:
        InvalidValueError: for a value out of its range; all are checked here, before work begins.

    Examples:
        >>> TrainSettings(keep=1.5)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: keep: expected a value in (0, 1], got 1.5
    """

    model: str = "conv4"
    layer: str | None = None
    skip: Skip = "none"
    tier: Tier | None = None
    keep: float = 0.5
    cover: float | None = None
    class_floor: float = 0.0
    batch_shrink: float = 0.0
    hold_suspects: bool = False
    renew_norm: bool = False
    threshold_reading: ThresholdReading = "formula"
    deviation: Deviation = "population"
    memory_decay: float = 1.0
    dense_start: float = 0.05
    dense_end: float = 0.0
    epochs: int = 8
    batch_size: int = 256
    optimizer: Optimizer = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "one-cycle"
    precision: Precision = "32"
    clip: float | None = None
    label_smoothing: float = 0.0
    device: Device = "auto"
    seed: int = 0
    target: float | None = None
    familiarity: bool = True
    augment: bool = True
    augmentations: Sequence[str] | None = None
    keep_maps: int = 0
    freeze_to: str | None = None
    freeze_after: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                expected = ", ".join(str(choice) for choice in choices if choice)
                raise InvalidValueError(
                    f"{name}: expected one of {expected}, got {getattr(self, name)!r}"
                )
        for name, (kind, text) in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise InvalidValueError(f"{name}: expected {text}, got {getattr(self, name)!r}")
        for name, (low, high, text) in _RANGES.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not (isinstance(value, int | float) and low <= value <= high):
                raise InvalidValueError(f"{name}: expected a value {text}, got {value!r}")
        self._check_tiers()
        self._check_augmentations()

    def _check_tiers(self) -> None:
        """Find what does not go together."""
        fitting = [tier for tier, rules in TIERS.items() if self.skip in rules]
        if self.tier is not None and self.skip != "none" and self.tier not in fitting:
            expected = f"{' or '.join(fitting) or 'none'} for {self.skip}"
            raise InvalidValueError(f"tier: expected {expected}, got {self.tier}")
        for name in _PLANS_OWN:
            got, usual = getattr(self, name), getattr(TrainSettings, name)
            if got != usual and not (self.planned and self.skip in PLANS):
                expected = (
                    f"{usual} without a plan of ours (skip {', '.join(PLANS)}; tier not gate)"
                )
                beside = f"beside skip {self.skip}, tier {self.tier}"
                raise InvalidValueError(f"{name}: expected {expected}, got {got} {beside}")
        if self.keep_maps and self.freeze_to is not None:
            expected = "0 beside freeze_to, where no images run"
            raise InvalidValueError(f"keep_maps: expected {expected}; got {self.keep_maps}")
        if self.freeze_after is not None:
            check_times(self.freeze_after, epochs=self.epochs)
        if self.freeze_after is not None and self.freeze_to is not None:
            expected = "None beside freeze_to, which freezes from the start"
            raise InvalidValueError(f"freeze_after: expected {expected}; got {self.freeze_after}")
        if self.renew_norm and self.target is not None:
            expected = "False beside target, where a run may stop before its last epoch"
            raise InvalidValueError(f"renew_norm: expected {expected}; got {self.target}")

    def _check_augmentations(self) -> None:
        if self.augmentations is None:
            return
        names = list(check_augmentations(self.augmentations))
        if not self.augment:
            expected = "None beside augment False"
            raise InvalidValueError(f"augmentations: expected {expected}, got {', '.join(names)}")
        object.__setattr__(self, "augmentations", names)  # a list, as a stored run has it

    def plain(self) -> "TrainSettings":
        """Give the same training without skipping.

        Returns:
            The settings of what a run that skips is held against.

        Examples:
            >>> TrainSettings(skip="imprint", cover=0.9, epochs=3).plain()
            TrainSettings(model='conv4', ... skip='none', tier=None, ... cover=None, ...)
        """
        names = ("batch_shrink", "freeze_after", *_PLANS_OWN)
        unused = {name: getattr(TrainSettings, name) for name in names}
        return replace(self, skip="none", tier=None, **unused)

    def augmentations_of(self, fitting: Sequence[str]) -> tuple[str, ...]:
        """Name the augmentations that images go through.

        Args:
            fitting: those that fit the data set.

        Returns:
            Their names, in order; none where nothing is augmented.

        Examples:
            >>> TrainSettings(augmentations=["flip"]).augmentations_of(["crop", "flip"])
            ('flip',)
        """
        chosen = fitting if self.augmentations is None else self.augmentations
        return tuple(chosen) if self.augment else ()

    def shares(self, keep: float | None = None) -> list[float]:
        """Give the keep ratio of each epoch, dense ones included.

        Args:
            keep: in (0, 1], in the place of the settings' own.

        Returns:
            A share an epoch; a rule that decides by itself goes its own way between dense ones.

        Examples:
            >>> TrainSettings(epochs=4, dense_end=0.25).shares(keep=0.3)
            [1.0, 0.3, 0.3, 1.0]
        """
        ratio = self.keep if keep is None else keep
        dense = {"dense_start": self.dense_start, "dense_end": self.dense_end}
        return [keep_at(epoch / self.epochs, keep=ratio, **dense) for epoch in range(self.epochs)]

    @property
    def decides(self) -> bool:
        """Whether the rule settles by itself how much is kept, whatever the keep ratio."""
        return self.skip in ("paper", "early-stopping") or self.cover is not None

    @property
    def planned(self) -> bool:
        """Whether samples are left out before an epoch loads them."""
        return self.skip in TIERS["plan"] and self.tier != "gate"

    @property
    def gated(self) -> bool:
        """Whether samples are left out within the network."""
        return self.skip in RULES and (self.tier in ("gate", "both") or not self.planned)

    @property
    def where(self) -> str | None:
        """The tier that samples are left out at; `loss` for a choice by fresh losses."""
        tiers = {(True, True): "both", (True, False): "plan", (False, True): "gate"}
        return tiers.get((self.planned, self.gated), None if self.skip == "none" else "loss")

    @property
    def rate(self) -> float:
        """The highest learning rate."""
        return DEFAULT_RATES[self.optimizer] if self.lr is None else self.lr


TIERS: dict[str, tuple[str, ...]] = {
    "plan": (*PLANS, *HISTORY_RULES),
    "gate": tuple(RULES),
    "both": tuple(rule for rule in PLANS if rule in RULES),
}
"""The rules that each tier has."""

_CHOICES: dict[str, tuple[str | None, ...]] = {
    "skip": get_args(Skip),
    "tier": (None, *get_args(Tier)),
    "threshold_reading": get_args(ThresholdReading),
    "deviation": get_args(Deviation),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
    "device": get_args(Device),
}

_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("epochs", "batch_size", "seed", "keep_maps"), (int, "a whole number")),
    **dict.fromkeys(("hold_suspects", "renew_norm", "familiarity", "augment"), (bool, "a bool")),
}

_PLANS_OWN = ("cover", "class_floor", "hold_suspects")
"""What only a plan of ours takes."""

_TINY = 1e-12
_RANGES: dict[str, tuple[float, float, str]] = {
    "keep": (_TINY, 1, "in (0, 1]"),
    "cover": (_TINY, 1, "in (0, 1]"),
    "class_floor": (0, 1, "in [0, 1]"),
    "memory_decay": (_TINY, 1, "in (0, 1]"),
    "batch_shrink": (0, 1, "in [0, 1]"),
    "dense_start": (0, 1, "in [0, 1]"),
    "dense_end": (0, 1, "in [0, 1]"),
    "epochs": (1, 10**9, "of at least 1"),
    "batch_size": (1, 10**9, "of at least 1"),
    "lr": (_TINY, 1e30, "above 0, up to 1e30"),
    "momentum": (0, 1 - _TINY, "in [0, 1)"),
    "weight_decay": (0, 1e9, "of at least 0"),
    "clip": (_TINY, 1e30, "above 0, up to 1e30"),
    "label_smoothing": (0, 1 - _TINY, "in [0, 1)"),
    "seed": (0, 2**63 - 1, "in 0 … 2^63 - 1"),
    "target": (_TINY, 1, "in (0, 1]"),
    "keep_maps": (0, 256, "in 0 … 256"),
}
