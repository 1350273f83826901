"""What a calibration needs, checked before its long work: options, a model, samples."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from torch import Tensor, nn

from imprint.counts import check_count
from imprint.early_exit.heads import HEAD_KINDS, HeadKind, check_kinds
from imprint.early_exit.promise import Promise, samples_needed
from imprint.early_exit.readings import Readings
from imprint.errors import InvalidValueError, LayerError
from imprint.shares import check_share
from imprint.taps import check_free, check_hooks

__all__ = [
    "check_classes",
    "check_fitted",
    "check_held",
    "check_model",
    "check_options",
    "tested_count",
]


def check_options(
    layers: Any,
    kinds: Sequence[HeadKind],
    tuning_share: float,
    batch_size: int,
    seed: int,
    *,
    max_overhead: float | None = None,
) -> None:
    """Check what a calibration is asked, before any work.

    Args:
        layers: names, or None.
        kinds: of heads.
        tuning_share: in (0, 1).
        batch_size: at least 1.
        seed: at least 0.
        max_overhead: at least 0, or None.

    Raises:
        LayerError: for layers that are no list of names.
        InvalidValueError: for other values that will not do.

    Examples:
        >>> check_options(None, ["probe"], 0.5, 0, 0)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: batch_size: expected at least 1, got 0
    """
    if isinstance(layers, str) or not all(isinstance(layer, str) for layer in layers or ()):
        raise LayerError(f"layers: expected a list of names, got {layers!r}")
    if isinstance(kinds, str) or not isinstance(kinds, Iterable):
        raise InvalidValueError(f"kinds: expected a list of {', '.join(HEAD_KINDS)}, got {kinds!r}")
    check_kinds(list(kinds))
    check_share("tuning_share", tuning_share)
    is_number = isinstance(max_overhead, Real) and not isinstance(max_overhead, bool)
    if max_overhead is not None and not (is_number and max_overhead >= 0):
        raise InvalidValueError(f"max_overhead: expected at least 0, got {max_overhead!r}")
    check_count("batch_size", batch_size)
    check_count("seed", seed, 0)


def check_model(model: nn.Module) -> None:
    """Check that a model is one, and that nothing else shrinks its batches.

    Args:
        model: what was given.

    Raises:
        InvalidValueError: where it is no `nn.Module`, or takes no hooks.
        LayerError: where its exits, or a gate, are open.

    Examples:
        >>> check_model(nn.ReLU())
    """
    if not isinstance(model, nn.Module):
        raise InvalidValueError(f"model: expected an nn.Module, got {type(model).__name__}")
    check_hooks(model)
    check_free(model)


def tested_count(count: int, tuning_share: float) -> int:
    """Say on how many held-out samples the promise is tested.

    Args:
        count: of all held-out ones.
        tuning_share: of them, which chooses.

    Returns:
        The number.

    Examples:
        >>> tested_count(3, 1 / 3)
        2
    """
    return count - round(tuning_share * count)


def check_held(labels: Tensor, classes: int, promise: Promise, tuning_share: float) -> None:
    """Check that held-out samples suffice for the promise, and have each class.

    Args:
        labels: theirs, `(N,)`.
        classes: K.
        promise: that is to hold.
        tuning_share: of them, which chooses; the rest tests.

    Raises:
        InvalidValueError: where they do not.

    Examples:
        >>> import torch
        >>> check_held(torch.tensor([0, 1]), 2, Promise(0.5, 0.5), 0.5)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: promise_on: expected at least 4 held-out samples ... got 2
    """
    tested, needed = tested_count(len(labels), tuning_share), samples_needed(promise)
    if tested < needed:
        least = math.ceil(needed / (1 - tuning_share))
        raise InvalidValueError(
            f"promise_on: expected at least {least} held-out samples for an extra error of at most "
            f"{promise.max_extra_error:g} with confidence {promise.confidence:g}, "
            f"got {len(labels)}"
        )
    if tested == len(labels):
        got = f"{tuning_share:g} of {tested} samples"
        raise InvalidValueError(f"tuning_share: expected at least one sample, got {got}")
    check_classes(labels, classes, "promise_on")


def check_fitted(fitted: Readings, shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> None:
    """Check that samples to fit heads to have each class, logits, finite maps and known shapes.

    Args:
        fitted: what was read of them.
        shapes: of held-out samples' maps.
        names: of the layers.

    Raises:
        InvalidValueError: where they have not.

    Examples:
        >>> import torch
        >>> check_fitted(Readings({}, torch.eye(2), torch.tensor([0, 1]), []), [], [])
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model: expected logits, got probabilities: ...
    """
    check_classes(fitted.labels, fitted.logits.shape[1], "fit_on")
    for name, own, other in zip(names, fitted.shapes, shapes, strict=True):
        if own != other:
            raise InvalidValueError(
                f"fit_on: expected images as in promise_on, maps {other} at {name!r}; got {own}"
            )
    for kind, features in fitted.features.items():
        for name, rows in zip(names, features, strict=True):
            bad = int((~rows.isfinite().all(1)).sum())
            if bad:
                raise InvalidValueError(
                    f"fit_on: expected finite maps at {name!r}, got NaN or infinite ones of {bad} "
                    f"of {len(rows)} samples, for {kind}"
                )
    _check_logits(fitted.logits)


def check_classes(labels: Tensor, classes: int, name: str) -> None:
    """Check that each class has a sample.

    Args:
        labels: `(N,)`, int64.
        classes: K.
        name: of the samples, for the error.

    Raises:
        InvalidValueError: where one has none.

    Examples:
        >>> import torch
        >>> check_classes(torch.tensor([0, 2]), 3, "fit_on")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: fit_on: expected each of 3 classes ... got none of 1
    """
    counts = labels.long()[labels >= 0].bincount(minlength=classes)[:classes]
    missing = (counts == 0).nonzero()[:, 0].tolist()
    if missing:
        shown = ", ".join(map(str, missing[:12]))
        raise InvalidValueError(
            f"{name}: expected each of {classes} classes at least once, got none of {shown}"
        )


def _check_logits(logits: Tensor) -> None:
    finite = logits.isfinite().all(1)
    if not bool(finite.any()):
        raise InvalidValueError("model: expected finite logits, got none on all of fit_on")
    rows = logits[finite]
    if bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < 1e-3).all()):
        raise InvalidValueError(
            "model: expected logits, got probabilities: on all of fit_on they sum to 1; leave "
            "out the last softmax, or take its logarithm"
        )
