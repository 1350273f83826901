"""Which maps to train on, and from which weights."""

from dataclasses import dataclass
from typing import Literal, get_args

from imprint.errors import InvalidValueError
from imprint.on_maps.forms import Form, check_form
from imprint.on_maps.stage import Stage, check_stage

__all__ = ["Init", "MapSettings"]

Init = Literal["base", "fresh"]


@dataclass(frozen=True, kw_only=True)
class MapSettings:
    """Which maps of a base run to train on, and from which weights.

    Args:
        layer: a name out of the base network's `named_modules()`; None takes the layer at which the
            base run was tapped, or a built-in network's own.
        stage: `before-activation`, the layer's own output, or `after-activation`, that of the
            activation that follows it, pooling and norm between them included.
        form: `each` channel an image with its image's label, the `mean` of all channels, or their
            `energy`, the mean of their absolute values.
        init: from the `base` run's weights, or from `fresh` ones that the seed gives.
        normalised: whether the mean of all training maps is taken off and their deviation divided
            by; else the maps are fed as they are.

    Raises:
        InvalidValueError: for another value.

    Examples:
        >>> MapSettings(form="sum")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: form: expected one of each, mean, energy; got 'sum'
    """

    layer: str | None = None
    stage: Stage = "after-activation"
    form: Form = "mean"
    init: Init = "base"
    normalised: bool = False

    def __post_init__(self) -> None:
        check_stage(self.stage)
        check_form(self.form)
        if self.init not in get_args(Init):
            raise InvalidValueError(f"init: expected base or fresh, got {self.init!r}")
