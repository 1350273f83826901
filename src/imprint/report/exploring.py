"""The report of `imprint explore`, and its words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imprint.report.page import Chart, Figure, render
from imprint.report.palette import class_colours
from imprint.report.pictures import TILE, TILES, Shown

__all__ = [
    "ClassLook",
    "DataPictures",
    "PointMap",
    "explore_findings",
    "explore_report",
    "fit_of_outliers",
]

MOST_CLASSES = 30
"""Classes whose pictures are shown; charts show all up to this many."""

Result = Mapping[str, Any]


@dataclass(frozen=True)
class ClassLook:
    """A class's pictures.

    Attributes:
        name: of the class.
        mean: its centroid.
        std: the standard deviation, brightest where its images differ most.
        outliers: those that lie farthest out.
    """

    name: str
    mean: Shown
    std: Shown
    outliers: Sequence[Shown]


@dataclass(frozen=True)
class PointMap:
    """Points of a map, with a sprite each.

    Attributes:
        x: of each point.
        y: likewise.
        labels: an index into the class names.
        marks: 0 for usual, 1 for an outlier, 2 for a label issue, 3 for both.
        names: what is said of each point on hover.
        sheets: of sprites, in the points' order.
    """

    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[int]
    marks: Sequence[int]
    names: Sequence[str]
    sheets: Sequence[str]


@dataclass(frozen=True)
class DataPictures:
    """All pictures of the report.

    Attributes:
        classes: the first ones.
        equal: groups of equal images.
        near: groups of nearly equal images.
        leaks: groups that several parts share.
        leak_groups: how many there are of these.
        issues: images whose label seems wrong.
        points: the map, or None.
    """

    classes: Sequence[ClassLook] = ()
    equal: Sequence[Sequence[Shown]] = ()
    near: Sequence[Sequence[Shown]] = ()
    leaks: Sequence[Sequence[Shown]] = ()
    leak_groups: int = 0
    issues: Sequence[Shown] = ()
    points: PointMap | None = field(default=None, repr=False)


def explore_report(result: Result, pictures: DataPictures, command: str = "") -> str:
    """Make the report of an exploration.

    Args:
        result: what `result.json` holds, of `imprint explore`.
        pictures: what is shown beside it.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> from imprint.exploration import explore
        >>> import torch
        >>> from imprint.types import ImageSet
        >>> pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> found = explore(ImageSet(pixels, torch.tensor([0, 0]), ("<b>",)))
        >>> page = explore_report(found.result, DataPictures())
        >>> "<b>" in page.split("<script")[0]
        False
    """
    names = result["class_names"]
    return render(
        "explore.html",
        title=f"A look at {result['data'] or 'the data'}",
        summary=" ".join(explore_findings(result)),
        facts=_facts(result),
        pictures=pictures,
        unshown=max(0, len(names) - len(pictures.classes)),
        charts=_charts(result),
        columns=_columns(result),
        lines=[_line(result, row) for row in result["classes"]],
        point_map=_point_map(result, pictures.points),
        forms=result["image_forms"],
        broken=result["unreadable_files"],
        unreadable=result["unreadable"],
        settings=_settings(result),
        command=command,
        result=result,
    )


def explore_findings(result: Result) -> list[str]:
    """Say in a few sentences what was found.

    Args:
        result: what `result.json` holds.

    Returns:
        The sentences.

    Examples:
        >>> result = {"parts": {"all": 2}, "class_names": ["a"], "unreadable": 1}
        >>> result |= {"leaks": {"all": 0}, "duplicates": 2, "duplicate_groups": 1}
        >>> result |= {"near_duplicates": 0, "near_duplicate_groups": 0, "label_issues": None}
        >>> result |= {"conflicting_groups": 0}
        >>> result |= {"noise_images": 0, "labels_unjudged": "", "outlier_accuracy": None}
        >>> explore_findings(result)
        ['2 images in 1 class; 1 more could not be read.', '2 images are there more than once.']
    """
    count, classes = sum(result["parts"].values()), len(result["class_names"])
    more = f"; {result['unreadable']:,} more could not be read" if result["unreadable"] else ""
    sentences = [f"{_many(count, 'image')} in {_many(classes, 'class')}{more}."]
    if result["duplicates"]:
        sentences.append(f"{_many(result['duplicates'], 'image')} are there more than once.")
    if result["near_duplicates"]:
        near, groups = result["near_duplicates"], result["near_duplicate_groups"]
        sentences.append(f"{near:,} are nearly equal, in {_many(groups, 'group')}.")
    leaks = {name: number for name, number in result["leaks"].items() if number}
    if leaks:
        last = list(leaks)[-1]
        be = "is" if leaks[last] == 1 else "are"
        sentences.append(f"{_many(leaks[last], 'image')} of {last} {be} in another part too.")
    if result["conflicting_groups"]:
        groups = _many(result["conflicting_groups"], "group")
        have = "has" if result["conflicting_groups"] == 1 else "have"
        sentences.append(f"{groups} of equal or nearly equal images {have} different labels.")
    if result["label_issues"]:
        sentences.append(_judgement(result))
    elif result["labels_unjudged"]:
        sentences.append(f"Labels were not judged: {result['labels_unjudged']}.")
    if fit_of_outliers(result):
        sentences.append(fit_of_outliers(result))
    if result["noise_images"]:
        be = "is" if result["noise_images"] == 1 else "are"
        sentences.append(f"{_many(result['noise_images'], 'image')} {be} noise.")
    return sentences


def fit_of_outliers(result: Result) -> str:
    """Answer the paper's question: does a network fit its outliers better than it generalises?

    Args:
        result: what `result.json` holds.

    Returns:
        A sentence or two, or nothing where no network was asked.

    Source: "Understanding and expediting learning…" (2022), section 3: outliers that are
    classified right in training "show that our model is not generalizing well".

    Examples:
        >>> train = {"outliers": 9, "outlier_accuracy": 0.9, "rest_accuracy": 0.99}
        >>> test = {"outliers": 5, "outlier_accuracy": 0.6, "rest_accuracy": 0.97}
        >>> text = fit_of_outliers({"outlier_accuracy": {"train": train, "test": test}})
        >>> text.split(": ")[1]
        'outliers lose 30.0 points, the rest 2.0.'
    """
    table = result["outlier_accuracy"] or {}
    known = {
        name: row
        for name, row in table.items()
        if row["outlier_accuracy"] is not None and row["rest_accuracy"] is not None
    }
    if not known:
        return ""
    right = "; ".join(
        f"on {name}, {row['outlier_accuracy']:.1%} of outliers and {row['rest_accuracy']:.1%} of"
        " the rest"
        for name, row in known.items()
    )
    sentence = f"The network is right {right}."
    if len(known) < 2:
        return sentence
    first, second = list(known.values())[:2]
    falls = [100 * (first[key] - second[key]) for key in ("outlier_accuracy", "rest_accuracy")]
    more = falls[0] > falls[1] + 1
    answer = (
        "It fits its outliers better than it generalises to new ones"
        if more
        else "It does not fit its outliers any better than the rest"
    )
    return f"{sentence} {answer}: outliers lose {falls[0]:.1f} points, the rest {falls[1]:.1f}."


def _judgement(result: Result) -> str:
    looks = "looks" if result["label_issues"] == 1 else "look"
    issues = _many(result["label_issues"], "label")
    return f"{issues} {looks} wrong, to a judge that is right on {result['label_accuracy']:.0%}."


def _many(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _facts(result: Result) -> list[tuple[str, str, str]]:
    parts = ", ".join(f"{number:,} {name}" for name, number in result["parts"].items())
    issues, near = result["label_issues"], result["near_duplicates"]
    accuracy = result["neighbour_accuracy"]
    leaks = list(result["leaks"].values())
    facts = [
        ("images", f"{sum(result['parts'].values()):,}", parts if len(leaks) > 1 else ""),
        ("outliers", f"{result['outliers']:,}", f"by {result['space']}, against the own class"),
        ("duplicates", f"{result['duplicates']:,}", f"nearly equal: {near:,}"),
    ]
    if len(leaks) > 1:
        facts.append(("leaks", f"{leaks[-1]:,}", f"of {list(result['leaks'])[-1]} in another part"))
    if issues is not None:
        beside = f"{result['contradicted']:,} of them by their prototypes too"
        facts.append(("label issues", f"{issues:,}", beside))
    if accuracy is not None:
        facts.append(("neighbours agree", f"{accuracy:.1%}", f"by {result['space']}, of ten"))
    return facts


def _charts(result: Result) -> list[Chart]:
    charts = []
    if 1 < len(result["class_names"]) <= MOST_CLASSES and result["class_distances"]:
        charts.append(
            Chart(
                "Distances between classes",
                class_distances(result),
                "Between the centroids, in pixels scaled to [0, 1]. Dark pairs look alike.",
            )
        )
    if result["confused_pairs"]:
        charts.append(
            Chart(
                "Most confused pairs",
                confused_pairs(result),
                f"Of the ten nearest neighbours by {result['space']} of both classes' images, the"
                " share that is of the other class.",
            )
        )
    return charts


def class_distances(result: Result) -> Figure:
    """Draw the distances between the centroids of classes.

    Args:
        result: with `class_names` and `class_distances`.

    Returns:
        A heat map; the diagonal is left empty.

    Examples:
        >>> result = {"class_names": ["a", "b"], "class_distances": [[0, 2.0], [2.0, 0]]}
        >>> class_distances(result)["data"][0]["z"]
        [[None, 2.0], [2.0, None]]
    """
    names = _short(result["class_names"])
    cells = [
        [None if i == j else value for j, value in enumerate(row)]
        for i, row in enumerate(result["class_distances"])
    ]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": cells,
        "colorscale": "Cividis",
        "colorbar": {
            "title": {"text": "euclidean distance", "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
        },
        "hovertemplate": "%{y} to %{x}: %{z:.2f}<extra></extra>",
    }
    layout = _layout("class", "class", height=max(320, 26 * len(names) + 120))
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] |= {"type": "category", "showgrid": False, "autorange": "reversed"}
    return {"data": [trace], "layout": layout}


def confused_pairs(result: Result) -> Figure:
    """Draw the pairs of classes that are neighbours most often.

    Args:
        result: with `confused_pairs`.

    Returns:
        A bar a pair, the most confused on top.

    Examples:
        >>> row = {"first": "a", "second": "b", "share": 0.25}
        >>> confused_pairs({"confused_pairs": [row]})["data"][0]["x"]
        [25.0]
    """
    rows = result["confused_pairs"]
    pairs = [" and ".join(_short([row["first"], row["second"]])) for row in rows]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [round(100 * row["share"], 3) for row in rows],
        "y": pairs,
        "marker": {"color": class_colours(1)[0]},
        "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
    }
    layout = _layout("neighbours of the other class (%)", "pair of classes", height=420)
    layout["yaxis"] |= {"type": "category", "showgrid": False, "autorange": "reversed"}
    layout["xaxis"] |= {"rangemode": "tozero"}
    return {"data": [trace], "layout": layout}


def _layout(x: str, y: str, *, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"title": {"text": x, "standoff": 10}, "automargin": True},
        "yaxis": {"title": {"text": y, "standoff": 10}, "automargin": True},
    }


def _short(names: Sequence[str]) -> list[str]:
    """Names that fit on an axis; plotly reads some tags, so that none may begin."""
    cut = [name if len(name) <= 18 else f"{name[:8]}…{name[-9:]}" for name in names]
    told = [name if cut.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(cut, 1)]
    return [name.replace("&", "&amp;").replace("<", "&lt;") for name in told]


def _columns(result: Result) -> list[str]:
    issues = [] if result["label_issues"] is None else ["label issues"]
    parts = list(result["parts"])
    return [
        *("class", *parts, "share", "brightness", "contrast", "sharpness", "outliers"),
        *issues,
        "neighbours agree",
    ]


def _line(result: Result, row: Mapping[str, Any]) -> list[str]:
    counts = [row[f"{part}_count"] for part in result["parts"]]
    share = counts[0] / max(1, next(iter(result["parts"].values())))
    issues = [] if row["label_issues"] is None else [f"{row['label_issues']:,}"]
    measured = [row[name] for name in ("brightness", "contrast", "sharpness")]
    return [
        row["name"],
        *(f"{count:,}" for count in counts),
        f"{share:.1%}",
        *("" if value is None else f"{value:.3f}" for value in measured),
        f"{row['outliers']:,}",
        *issues,
        "" if row["neighbour_accuracy"] is None else f"{row['neighbour_accuracy']:.1%}",
    ]


def _point_map(result: Result, points: PointMap | None) -> dict[str, Any] | None:
    """What the page's script draws: a scatter with a picture on hover."""
    if points is None:
        return None
    names = result["class_names"]
    return {
        "x": points.x,
        "y": points.y,
        "labels": points.labels,
        "marks": points.marks,
        "names": points.names,
        "sheets": points.sheets,
        "classes": _short(names),
        "colours": class_colours(len(names)),
        "tile": TILE,
        "across": TILES,
        "method": {"tsne": "t-SNE", "pca": "principal component"}[result["embedding"]],
    }


def _settings(result: Result) -> dict[str, Any]:
    names = (
        "data",
        "layer",
        "embedding",
        "judge",
        "folds",
        "epochs",
        "batch_size",
        "device",
        "seed",
    )
    given = {name.replace("_", " "): result[name] for name in names if result[name] is not None}
    seconds = {f"seconds, {name}": value for name, value in result["seconds"].items()}
    return given | seconds | {f"{name} version": n for name, n in result["versions"].items()}
