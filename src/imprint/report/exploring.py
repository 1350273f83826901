"""The report of `imprint explore`, and its words."""

from collections.abc import Mapping
from typing import Any

from imprint.report.data_charts import class_distances, confused_pairs, short_names
from imprint.report.data_pictures import DataPictures, PointMap
from imprint.report.page import Chart, render
from imprint.report.palette import class_colours
from imprint.report.pictures import TILE, TILES

__all__ = [
    "explore_findings",
    "explore_report",
    "fit_of_outliers",
]

MOST_CLASSES = 30
"""Classes whose pictures are shown; charts show all up to this many."""

Result = Mapping[str, Any]


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
        f"on {row['outlier_accuracy']:.1%} of the outliers of {name} and"
        f" {row['rest_accuracy']:.1%} of the rest"
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
        "classes": short_names(names),
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
