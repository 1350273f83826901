"""The rows of `result.json`, flat and with stable keys."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import torch

from imprint.skipping import Suspects
from imprint.training.trainer import Trainer

__all__ = ["comparison_result", "run_result", "suspect_columns", "versions"]


def versions() -> dict[str, str]:
    """The versions that a result depends on.

    Returns:
        `imprint`, `torch`, `python`.

    Examples:
        >>> sorted(versions())
        ['imprint', 'python', 'torch']
    """
    return {
        "imprint": version("imprint"),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def run_result(trainer: Trainer, data: str, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Sum up one run.

    Args:
        trainer: after its last epoch.
        data: what the user called the data set.
        class_names: the K names.

    Returns:
        The run's part of `result.json`.

    Examples:
        >>> from imprint.training import TrainSettings
        >>> from imprint.training.building import build_trainer
        >>> from imprint.types import DataSplits, ImageSet
        >>> images = torch.randint(256, (64, 1, 16, 16), dtype=torch.uint8)
        >>> noise = ImageSet(images, torch.arange(64) % 2, ("even", "odd"))
        >>> settings = TrainSettings(epochs=1, batch_size=16, device="cpu")
        >>> trainer = build_trainer(DataSplits("noise", noise, noise), settings)
        >>> _ = trainer.train_epoch()
        >>> run_result(trainer, "noise", ("even", "odd"))["images_seen"]
        64
    """
    s, epochs, tiers = trainer.settings, trainer.epochs, trainer.tiers
    skipping = s.skip != "none"
    most, counts = tiers.tally.most_skipped()
    return {
        "test_accuracy": epochs[-1]["test_accuracy"],
        **{key: sum(row[key] for row in epochs) for key in _SUMMED},
        "epochs": epochs,
        "class_names": list(class_names),
        "class_accuracy": trainer.class_accuracy,
        "worst_class": _worst(trainer.class_accuracy, class_names),
        "similarity": tiers.tally.similarity() if skipping else None,
        "most_skipped": most if skipping else None,
        "most_skipped_counts": counts if skipping else None,
        "never_skipped": tiers.tally.never_skipped() if skipping else None,
        "suspects": None if tiers.suspects is None else suspect_columns(tiers.suspects),
        "prefix_seconds": trainer.prefix_seconds,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "data": data,
        **{name: value for name, value in asdict(s).items() if name != "epochs"},
        "layer": None if tiers.gate is None else tiers.gate.layer,
        "tier": s.where if skipping else None,
        "keep": s.keep if skipping and not s.decides else None,
        "threshold_reading": s.threshold_reading if s.skip == "paper" else None,
        "lr": s.rate,
        "device": str(trainer.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def comparison_result(plain: dict[str, Any], skip: dict[str, Any]) -> dict[str, Any]:
    """Set two runs side by side.

    Args:
        plain: the result of plain training.
        skip: the result of the run that skipped.

    Returns:
        Both, with `time_saved`, a share of plain's seconds, and `accuracy_difference`, skip's
        minus plain's; either can be negative.

    Examples:
        >>> slow, fast = {"train_seconds": 4.0}, {"train_seconds": 3.0}
        >>> comparison_result(slow | {"test_accuracy": 0.9}, fast | {"test_accuracy": 0.9})[
        ...     "time_saved"
        ... ]
        0.25
    """
    return {
        "plain": plain,
        "skip": skip,
        "time_saved": 1 - skip["train_seconds"] / plain["train_seconds"],
        "accuracy_difference": skip["test_accuracy"] - plain["test_accuracy"],
    }


def suspect_columns(suspects: Suspects) -> dict[str, list[float]]:
    """List the suspects as `result.json` has them, the most contradicted first.

    Args:
        suspects: after a training.

    Returns:
        `index`, places in the training set; `closest`, the class that each looks like; `margin`.

    Examples:
        >>> suspects, right, wrong = Suspects(2, limit=-0.2), [0.0, 99.0], [99.0, 0.0]
        >>> index, labels = torch.arange(2), torch.tensor([1, 1])
        >>> _ = suspects.record(index, torch.tensor([right, wrong]), labels)
        >>> suspect_columns(suspects)
        {'index': [1], 'closest': [0], 'margin': [-0.25]}
    """
    places = suspects.places()
    return {
        "index": places.tolist(),
        "closest": suspects.closest[places].tolist(),
        "margin": [round(margin, 4) for margin in suspects.margins[places].tolist()],
    }


_SUMMED = ("train_seconds", "images_seen", "images_trained", "images_skipped", "hits")


def _worst(accuracies: list[float | None], class_names: tuple[str, ...]) -> dict[str, Any] | None:
    """The class of the lowest accuracy, of those that the test set has."""
    known = [(value, k) for k, value in enumerate(accuracies) if value is not None]
    if not known:
        return None
    value, k = min(known)
    return {"name": class_names[k], "accuracy": value}
