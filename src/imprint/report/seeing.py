"""The report of `imprint see`."""

from collections.abc import Mapping
from typing import Any

from imprint.report.network_pictures import SeePictures
from imprint.report.network_words import (
    HEALTH_COLUMNS,
    grouped_advice,
    health_line,
    see_findings,
)
from imprint.report.page import render
from imprint.report.settling_chart import settling_chart

__all__ = ["see_report"]

Result = Mapping[str, Any]


def see_report(result: Result, pictures: SeePictures, command: str = "") -> str:
    """Make the report of what was seen of a network.

    Args:
        result: what `result.json` holds, of `imprint see`.
        pictures: what is shown beside it.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> import torch
        >>> from imprint.sight import see
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))
        >>> sight = see(model, torch.rand(2, 1, 8, 8), name="<b>")
        >>> page = see_report(sight.result, SeePictures())
        >>> "<b>" in page.split("<script")[0]
        False
    """
    return render(
        "see.html",
        title=f"A look into {result['model'] or 'the network'}",
        summary=" ".join(see_findings(result)),
        facts=_facts(result),
        pictures=pictures,
        shrunk=_are_shrunk(pictures),
        cut=any(layer.unshown for way in pictures.ways for layer in way.layers),
        broken=any(row["broken"] for row in result["layers"]),
        advice=grouped_advice(result),
        columns=HEALTH_COLUMNS,
        lines=[health_line(row) for row in result["layers"]],
        settling=[settling_chart(result)] if result["evolution"] else [],
        settings=_settings(result),
        command=command,
        result=result,
    )


def _facts(result: Result) -> list[tuple[str, str, str]]:
    layers = result["layers"]
    dead, channels = (sum(f(row) for row in layers) for f in (_dead, _channels))
    facts = [
        ("layers with maps", f"{len(layers)}", f"{channels:,} channels"),
        (
            "dead channels",
            f"{dead:,}",
            f"in {result['images']:,} image{'' if result['images'] == 1 else 's'}",
        ),
        ("layers to mend", f"{result['unwell_layers']}", "see the health table"),
    ]
    if result["answers"] and result["answers"][0]["classes"]:
        best = result["answers"][0]["classes"][0]
        facts.append(("its answer", best["name"], f"{best['probability']:.1%}, to the first image"))
    return facts


def _dead(row: Mapping[str, Any]) -> int:
    return len(row["dead"])


def _channels(row: Mapping[str, Any]) -> int:
    return int(row["channels"])


def _are_shrunk(pictures: SeePictures) -> bool:
    layers = (layer for way in pictures.ways for layer in way.layers)
    return any(max(layer.shape[1:]) > pictures.side for layer in layers)


def _settings(result: Result) -> dict[str, Any]:
    names = ("images", "image_shape", "asked_layers", "asked_channels", "ways", "asked_patches")
    given = {
        name.replace("_", " "): _told(result[name]) for name in names if result[name] is not None
    }
    seconds = {f"seconds, {name}": value for name, value in result["seconds"].items()}
    return given | seconds | {f"{name} version": n for name, n in result["versions"].items()}


def _told(value: Any) -> Any:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else value
