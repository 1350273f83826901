"""The report of `imprint attack`, and its words."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from imprint.report.attack_pictures import ExampleLook
from imprint.report.data_charts import short_names
from imprint.report.page import Chart, render
from imprint.report.palette import class_colours

__all__ = ["attack_findings", "attack_lines", "attack_report", "epsilon_chart"]

Result = Mapping[str, Any]

MOST_PAIRS = 6
"""Pairs of networks of which the chart and the words tell; the tables have all."""

MOST_TOLD = 2
"""Networks that the summary tells of."""


class Cell(NamedTuple):
    """An accuracy in a table.

    Attributes:
        text: of it.
        share: itself, for its shade.
        own: whether the images were made on the network that is judged.
    """

    text: str
    share: float
    own: bool


def attack_report(result: Result, examples: Sequence[ExampleLook], command: str = "") -> str:
    """Make the report of an attack.

    Args:
        result: what `result.json` holds, of `imprint attack`.
        examples: what is shown of each network.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> import torch
        >>> from imprint.attacking import attack
        >>> from imprint.types import ImageSet
        >>> pixels = torch.tensor([250, 0], dtype=torch.uint8).view(1, 2, 1, 1)
        >>> part = ImageSet(pixels, torch.tensor([0]), ("<b>", "c"))
        >>> page = attack_report(attack(torch.nn.Flatten(), part).result, [])
        >>> "<b>" in page.split("<script")[0]
        False
    """
    groups = groupby(examples, key=lambda each: each.made_on)
    return render(
        "attack.html",
        title=f"{result['attack'].upper()} on {_listed([row['name'] for row in _nets(result)])}",
        summary=" ".join(_own(result)[:MOST_TOLD]),
        warnings=_without_gradient(result),
        facts=_facts(result),
        chart_of=epsilon_chart(result),
        tables=_tables(result) if len(_nets(result)) > 1 else [],
        names=[row["name"] for row in _nets(result)],
        galleries=[(name, list(looks)) for name, looks in groups],
        settings=_settings(result),
        command=command,
        result=result,
    )


def attack_findings(result: Result) -> list[str]:
    """Say in a few sentences what an attack came to.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> row = {"epsilon": 0.1, "made_on": "a", "judged_on": "a", "accuracy": 0.25}
        >>> result = {"attack": "fgsm", "images": 8, "loss": "cross-entropy", "epsilons": [0.1]}
        >>> result["networks"] = [{"name": "a", "clean_accuracy": 1.0, "without_gradient": 0}]
        >>> result |= {"accuracy": [row], "noise": [row | {"accuracy": 0.875}]}
        >>> attack_findings(result)
        ['a is right on 100.0 % of 8 images; at epsilon 0.1 on 25.0 % of those that FGSM makes on
        it, and on 87.5 % under noise of that size.']
    """
    return _own(result) + _transfers(result) + _without_gradient(result)


def _own(result: Result) -> list[str]:
    """Say how each network withstands the largest epsilon."""
    epsilon = max(result["epsilons"])
    own, noise = _by_pair(result, epsilon), _by_noise(result, epsilon)
    return [
        f"{row['name']} is right on {_share(row['clean_accuracy'])} of {_images(result)}; at"
        f" epsilon {epsilon:g} on {_share(own[row['name'], row['name']])} of those that"
        f" {result['attack'].upper()} makes on it, and on {_share(noise[row['name']])} under noise"
        " of that size."
        for row in _nets(result)
    ]


def _transfers(result: Result) -> list[str]:
    epsilon = max(result["epsilons"])
    own = _by_pair(result, epsilon)
    across = [(pair, value) for pair, value in own.items() if pair[0] != pair[1]]
    return [
        f"Of the images made on {made_on}, {judged_on} is right on {_share(value)} at epsilon"
        f" {epsilon:g}."
        for (made_on, judged_on), value in across[:MOST_PAIRS]
    ]


def _without_gradient(result: Result) -> list[str]:
    """Name the networks whose accuracy may be owed to a missing gradient."""
    if result["loss"] == "cross-entropy":
        why = "its loss is rounded to zero, or it answers by a branch without one"
    else:
        why = "it answers by a branch without one"
    return [
        f"{row['without_gradient']:,} of {_images(result)} have no gradient on {row['name']} ({why}"
        "): they could not be attacked, and what it gets right of them says nothing."
        for row in _nets(result)
        if row["without_gradient"]
    ]


def attack_lines(result: Result) -> tuple[list[str], list[list[str]]]:
    """Put accuracies into a table: a row a pair of networks, then noise; a column an epsilon.

    Args:
        result: what `result.json` holds.

    Returns:
        The columns' names, and a text for each of them in each row.

    Examples:
        >>> row = {"epsilon": 0.1, "made_on": "a", "judged_on": "a", "accuracy": 0.25}
        >>> result = {"epsilons": [0.1], "accuracy": [row], "noise": [row | {"accuracy": 0.875}]}
        >>> attack_lines(result)[1]
        [['a', 'a', '25.0 %'], ['noise', 'a', '87.5 %']]
    """
    lines: dict[tuple[str, str], list[str]] = {}
    for row in [*result["accuracy"], *({**row, "made_on": "noise"} for row in result["noise"])]:
        lines.setdefault((row["made_on"], row["judged_on"]), []).append(_share(row["accuracy"]))
    columns = ["made on", "judged on", *(f"{each:g}" for each in result["epsilons"])]
    return columns, [[*pair, *shares] for pair, shares in lines.items()]


def epsilon_chart(result: Result) -> Chart:
    """Draw accuracy over epsilon.

    Args:
        result: what `result.json` holds.

    Returns:
        A line a network on its own images, one under noise, and one for each other network that
        the images were made on.

    Examples:
        >>> row = {"epsilon": 0.1, "made_on": "a", "judged_on": "a", "accuracy": 0.25}
        >>> result = {"accuracy": [row], "noise": [], "networks": [{"name": "a"}]}
        >>> epsilon_chart(result).figure["data"][0]["y"]
        [25.0]
    """
    names = [row["name"] for row in _nets(result)]
    colours = dict(zip(names, class_colours(len(names)), strict=True))
    pairs = [(a, b) for a in names for b in names if a != b]
    pairs = [(name, name) for name in names] + (pairs if len(pairs) <= MOST_PAIRS else [])
    short = dict(zip(names, short_names(names), strict=True)) | {"": ""}
    looks = {name: (short[name], colour) for name, colour in colours.items()}
    lines = [
        _line(result["accuracy"], pair, _words(pair, short[pair[0]]), looks[pair[1]])
        for pair in pairs
    ]
    lines += [_line(result["noise"], ("", name), "noise", looks[name]) for name in names]
    layout = {
        "height": 420,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {
            "title": {"text": "epsilon (pixels in [0, 1])", "standoff": 10},
            "automargin": True,
            "rangemode": "tozero",
        },
        "yaxis": {
            "title": {"text": "accuracy (%)", "standoff": 10},
            "automargin": True,
            "range": [0, 102],
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
    }
    caption = (
        "A colour a network that is judged: a full line on the images made on itself, dashes on"
        " those made on another, dots under noise that changes each pixel as much."
    )
    return Chart("Accuracy over epsilon", {"data": lines, "layout": layout}, caption)


def _words(pair: tuple[str, str], made_on: str) -> str:
    return "on itself" if pair[0] == pair[1] else f"from {made_on}"


def _line(
    rows: Sequence[Mapping[str, Any]], pair: tuple[str, str], words: str, look: tuple[str, str]
) -> dict[str, Any]:
    """A pair's line; noise is made on none."""
    own = [row for row in rows if (row.get("made_on", ""), row["judged_on"]) == pair]
    name, colour = look
    dash = {"noise": "dot", "on itself": "solid"}.get(words, "dash")
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{name}, {words}",
        "x": [row["epsilon"] for row in own],
        "y": [round(100 * row["accuracy"], 3) for row in own],
        "line": {"color": colour, "dash": dash},
        "hovertemplate": "epsilon %{x}: %{y:.2f} %<extra>%{fullData.name}</extra>",
    }


def _tables(result: Result) -> list[tuple[float, list[tuple[str, list[Cell]]]]]:
    """A matrix for each epsilon: a row a network that images are made on, then noise."""
    names = [row["name"] for row in _nets(result)]
    tables = []
    for epsilon in result["epsilons"]:
        own = _by_pair(result, epsilon)
        rows = [(a, [_cell(own[a, b], own=a == b) for b in names]) for a in names]
        noise = _by_noise(result, epsilon)
        rows.append(("noise", [_cell(noise[name], own=False) for name in names]))
        tables.append((epsilon, rows))
    return tables


def _cell(share: float, *, own: bool) -> Cell:
    return Cell(_share(share), share, own)


def _by_pair(result: Result, epsilon: float) -> dict[tuple[str, str], float]:
    rows = _at(result["accuracy"], epsilon)
    return {(row["made_on"], row["judged_on"]): row["accuracy"] for row in rows}


def _by_noise(result: Result, epsilon: float) -> dict[str, float]:
    return {row["judged_on"]: row["accuracy"] for row in _at(result["noise"], epsilon)}


def _at(rows: Sequence[Mapping[str, Any]], epsilon: float) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["epsilon"] == epsilon]


def _facts(result: Result) -> list[tuple[str, str, str]]:
    epsilon, first = max(result["epsilons"]), _nets(result)[0]
    name = first["name"]
    own, noise = _by_pair(result, epsilon)[name, name], _by_noise(result, epsilon)
    return [
        ("clean accuracy", _share(first["clean_accuracy"]), f"of {name}"),
        (f"at epsilon {epsilon:g}", _share(own), "on images made on itself"),
        ("under noise", _share(noise[name]), "of the same size"),
        ("images", f"{result['images']:,}", "of the test part"),
    ]


def _settings(result: Result) -> dict[str, Any]:
    names = ("attack", "loss", "steps", "step_size", "seed", "batch_size", "images")
    given = {name.replace("_", " "): result[name] for name in names if result[name] is not None}
    given["epsilons"] = ", ".join(f"{each:g}" for each in result["epsilons"])
    seconds = {f"seconds, {name}": value for name, value in result["seconds"].items()}
    return given | seconds | {f"{name} version": n for name, n in result["versions"].items()}


def _nets(result: Result) -> Sequence[Mapping[str, Any]]:
    networks: Sequence[Mapping[str, Any]] = result["networks"]
    return networks


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _images(result: Result) -> str:
    return "1 image" if result["images"] == 1 else f"{result['images']:,} images"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
