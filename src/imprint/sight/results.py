"""From what was seen to what `result.json` holds: flat, with stable keys."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imprint.seeing import LayerHealth, advice
from imprint.sight.evolution import LayerEvolution
from imprint.sight.patches import LayerPatches
from imprint.sight.settings import SeeSettings
from imprint.sight.subject import Subject
from imprint.sight.ways import Unseen, Way
from imprint.training.results import versions

__all__ = ["Seen", "result_of"]

APART = ("layers", "channels", "images", "patches")
"""Settings that share a name with what was seen."""

MOST_FILES = 100
"""Unreadable files that are listed."""


@dataclass(frozen=True, eq=False)
class Seen:
    """All that was seen, before it is put into words.

    Attributes:
        subject: the images that patches and health are of.
        walked: the images, or the one picture, whose ways are shown.
        ways: of some of them.
        unseen: what could not be looked at.
        cam: the layer of Grad-CAM, or None.
        patches: of some layers.
        health: a row a layer.
        evolution: of a few layers, where training kept maps.
        answer_names: of the network's answers; empty where it gives none.
    """

    subject: Subject
    walked: Subject
    ways: tuple[Way, ...]
    unseen: Unseen
    cam: str | None
    patches: tuple[LayerPatches, ...]
    health: tuple[LayerHealth, ...]
    evolution: tuple[LayerEvolution, ...]
    answer_names: tuple[str, ...] = ()


def result_of(
    seen: Seen, settings: SeeSettings, *, name: str, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Put what was seen into what JSON can hold.

    Args:
        seen: all of it.
        settings: what was asked.
        name: of the network.
        seconds: of each stage.

    Returns:
        The result; `docs/see.md` lists the keys.

    Examples:
        >>> import torch
        >>> from imprint.sight import see
        >>> sight = see(torch.nn.Conv2d(1, 2, 1), torch.rand(3, 1, 4, 4))
        Traceback (most recent call last):
        imprint.errors.LayerError: model: expected a layer that puts out maps ...
    """
    shapes = {row.name: row.shape[1:] for row in seen.ways[0].maps}
    return {
        "command": "see",
        "model": name,
        **_images(seen.subject),
        "class_names": list(seen.answer_names),
        **_asked(settings),
        "unwell_layers": sum(1 for row in seen.health if advice(row)),
        "layers": [_layer(row, shapes.get(row.name)) for row in seen.health],
        "answers": [_answer(seen, way) for way in seen.ways],
        "unanswered": seen.unseen.answer,
        "cam_layer": seen.cam,
        "cam_unseen": seen.unseen.cam,
        "patches": [row for layer in seen.patches for row in _patches(seen.subject, layer)],
        "unprojected": {
            layer.layer: layer.unprojected for layer in seen.patches if layer.unprojected
        },
        "evolution": [_evolution(layer) for layer in seen.evolution],
        "seconds": dict(seconds),
        "versions": versions(),
    }


def _images(subject: Subject) -> dict[str, Any]:
    """What was looked at, and out of what."""
    return {
        "images": len(subject),
        "all_images": subject.total,
        "image_shape": list(subject.pixels.shape[1:]),
        "label_names": list(subject.class_names),
        "unreadable": len(subject.unreadable),
        "unreadable_files": [
            {"path": item.path, "reason": item.reason} for item in subject.unreadable[:MOST_FILES]
        ],
    }


def _asked(settings: SeeSettings) -> dict[str, Any]:
    """The settings, those that share a name with what was seen told apart."""
    return {
        f"asked_{key}" if key in APART else key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(settings).items()
    }


def _layer(row: LayerHealth, size: tuple[int, ...] | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "channels": row.channels,
        "height": None if size is None else size[0],
        "width": None if size is None else size[1],
        "dead": list(row.dead),
        "duplicates": [list(pair) for pair in row.duplicates],
        "zeros": round(row.zeros, 6),
        "saturation": None if row.saturation is None else round(row.saturation, 6),
        "signature_norm": round(row.signature_norm, 6),
        "broken": row.broken,
        "advice": advice(row),
    }


def _answer(seen: Seen, way: Way) -> dict[str, Any]:
    return {
        "image": seen.walked.place(way.row),
        "name": seen.walked.note(way.row),
        "label": seen.walked.label(way.row),
        "classes": [
            {"name": seen.answer_names[k], "probability": round(p, 6)} for k, p in way.best()
        ],
    }


def _patches(subject: Subject, layer: LayerPatches) -> list[dict[str, Any]]:
    return [
        {
            "layer": layer.layer,
            "channel": seen.patches.channel,
            "values": [round(value, 6) for value in seen.patches.values.tolist()],
            "images": [subject.place(row) for row in seen.patches.index.tolist()],
            "boxes": seen.patches.boxes.tolist(),
        }
        for seen in layer.channels
    ]


def _evolution(layer: LayerEvolution) -> dict[str, Any]:
    return {
        "layer": layer.layer,
        "epochs": list(layer.epochs),
        "to_next": list(layer.to_next),
        "to_last": list(layer.to_last),
        "settled_from": layer.settled,
    }
