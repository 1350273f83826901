"""The report of `imprint see`, and its words."""

from collections.abc import Mapping
from typing import Any

from imprint.report.network_pictures import SeePictures
from imprint.report.page import Chart, Figure, render
from imprint.report.palette import class_colours

__all__ = [
    "HEALTH_COLUMNS",
    "health_line",
    "see_findings",
    "see_report",
    "settling_chart",
]

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
        columns=HEALTH_COLUMNS,
        lines=[health_line(row) for row in result["layers"]],
        settling=[settling_chart(result)] if result["evolution"] else [],
        settings=_settings(result),
        command=command,
        result=result,
    )


HEALTH_COLUMNS = (
    *("layer", "kind", "channels", "dead", "duplicates", "zeros", "saturated"),
    *("signature norm", "no numbers"),
)
"""Of the health table; what to do follows in a row of its own."""


def health_line(row: Mapping[str, Any]) -> list[str]:
    """Put a layer's health into the cells of a table.

    Args:
        row: of `layers` in the result.

    Returns:
        A text for each of `HEALTH_COLUMNS`.

    Examples:
        >>> row = {"name": "conv1", "kind": "Conv2d", "channels": 4, "dead": [1], "duplicates": []}
        >>> row |= {"zeros": 0.25, "saturation": None, "signature_norm": 1.5, "broken": 0.0}
        >>> health_line(row)[3:]
        ['1', '0', '25.0%', '', '1.50', '0']
    """
    doubled = len({second for _, second in row["duplicates"]})
    saturation = row["saturation"]
    return [
        row["name"],
        row["kind"],
        f"{row['channels']:,}",
        f"{len(row['dead']):,}",
        f"{doubled:,}",
        f"{row['zeros']:.1%}",
        "" if saturation is None else f"{saturation:.1%}",
        f"{row['signature_norm']:.2f}",
        f"{max(row['broken'], 0.0001):.2%}" if row["broken"] else "0",
    ]


def see_findings(result: Result) -> list[str]:
    """Say in a few sentences what was seen.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> layer = {"name": "0", "channels": 4, "dead": [1], "duplicates": [], "broken": 0.0}
        >>> result = {"layers": [layer], "images": 9, "answers": [], "unwell_layers": 0}
        >>> see_findings(result)
        ['1 layer puts out maps; looked at with 9 images.', '1 of 4 channels never answers.']
    """
    layers, images = result["layers"], result["images"]
    put = "layer puts" if len(layers) == 1 else "layers put"
    many = "1 image" if images == 1 else f"{images:,} images"
    sentences = [f"{len(layers)} {put} out maps; looked at with {many}."]
    channels = sum(row["channels"] for row in layers)
    dead = sum(len(row["dead"]) for row in layers)
    if dead:
        answer = "answers" if dead == 1 else "answer"
        sentences.append(f"{dead:,} of {channels:,} channels never {answer}.")
    if any(row["broken"] for row in layers):
        first = next(row["name"] for row in layers if row["broken"])
        sentences.append(f"NaN or infinity comes up first in {first}.")
    if result["unwell_layers"]:
        count = result["unwell_layers"]
        be = "layer needs" if count == 1 else "layers need"
        sentences.append(f"{count} {be} a look: see the health table.")
    return sentences


def _facts(result: Result) -> list[tuple[str, str, str]]:
    layers = result["layers"]
    dead, channels = (sum(f(row) for row in layers) for f in (_dead, _channels))
    facts = [
        ("layers with maps", f"{len(layers)}", f"{channels:,} channels"),
        ("dead channels", f"{dead:,}", f"in {result['images']:,} images"),
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


def settling_chart(result: Result) -> Chart:
    """Draw how similar each layer's signatures are from epoch to epoch.

    Args:
        result: with `evolution`.

    Returns:
        A line a layer.

    Examples:
        >>> row = {"layer": "0", "epochs": [1, 2, 3], "to_next": [0.5, 0.9], "to_last": [0.4, 0.9]}
        >>> settling_chart({"evolution": [row]}).figure["data"][0]["x"]
        [2, 3]
    """
    rows = result["evolution"]
    colours = class_colours(len(rows))
    dashes = ("solid", "dash", "dot", "dashdot")
    lines = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": row["layer"].replace("&", "&amp;").replace("<", "&lt;"),
            "x": list(row["epochs"][1:]),
            "y": list(row["to_next"]),
            "line": {"color": colour, "dash": dashes[k % len(dashes)]},
            "hovertemplate": "epoch %{x}: %{y:.4f}<extra>%{fullData.name}</extra>",
        }
        for k, (row, colour) in enumerate(zip(rows, colours, strict=True))
    ]
    caption = (
        "The mean cosine similarity of the same images' signatures to those of the epoch before."
        " A layer whose line stays near 1 has settled."
    )
    return Chart("How fast each layer settles", _figure(lines), caption)


def _figure(lines: list[dict[str, Any]]) -> Figure:
    layout = {
        "height": 380,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"title": {"text": "epoch", "standoff": 10}, "automargin": True, "dtick": None},
        "yaxis": {"title": {"text": "similarity", "standoff": 10}, "automargin": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
    }
    if len(lines[0]["x"]) <= 12:
        layout["xaxis"] |= {"dtick": 1}  # type: ignore[operator]
    return {"data": lines, "layout": layout}


def _settings(result: Result) -> dict[str, Any]:
    names = ("images", "image_shape", "asked_layers", "asked_channels", "ways", "asked_patches")
    given = {
        name.replace("_", " "): _told(result[name]) for name in names if result[name] is not None
    }
    seconds = {f"seconds, {name}": value for name, value in result["seconds"].items()}
    return given | seconds | {f"{name} version": n for name, n in result["versions"].items()}


def _told(value: Any) -> Any:
    return ", ".join(str(part) for part in value) if isinstance(value, list) else value
