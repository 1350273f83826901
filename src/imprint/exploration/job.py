"""Explore a data set: from its parts to all that is found of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from imprint.counts import check_count
from imprint.errors import InvalidValueError
from imprint.exploration.neighbourhood import (
    Space,
    draw_map,
    look_around,
    map_accuracy,
    nearest_prototypes,
)
from imprint.exploration.passes import Look, outlyingness, read_all
from imprint.exploration.record import Exploration
from imprint.exploration.results import Findings, result_of
from imprint.exploration.rows import Rows, parts_of
from imprint.exploration.samples import samples_of
from imprint.exploring import LabelIssues, label_issues, near_pairs, require
from imprint.stages import Stages
from imprint.training import TrainSettings, check_network, cross_fit
from imprint.training.results import versions
from imprint.types import DataPart, ImageSet, Normalisation

__all__ = ["ExploreSettings", "check_extras", "explore"]

Embed = Literal["none", "pca", "tsne"]

RELIABLE = 0.7
"""Share of labels that a judge must agree with for its doubts to count."""


@dataclass(frozen=True, kw_only=True)
class ExploreSettings:
    """How to explore a data set.

    Args:
        embedding: the map to draw of the first part: `none`, `pca` or `tsne`.
        judge: the network that looks for wrong labels, trained on folds: a built-in name,
            `module:factory` or `file.py:factory`; None leaves labels unjudged.
        folds: at least 2.
        epochs: of training the judge on each fold's rest, at least 1.
        batch_size: of that training, at least 1.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: of all that is drawn.

    Raises:
        InvalidValueError: for a value out of its range.

    Examples:
        >>> ExploreSettings(embedding="umap")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: embedding (--map): expected none, pca or tsne, got 'umap'
    """

    embedding: Embed = "none"
    judge: str | None = "conv4"
    folds: int = 2
    epochs: int = 1
    batch_size: int = 256
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.embedding not in get_args(Embed):
            got = repr(self.embedding)
            raise InvalidValueError(f"embedding (--map): expected none, pca or tsne, got {got}")
        check_count("folds", self.folds, 2)
        self.training()

    def training(self) -> TrainSettings:
        """Give the settings of the judge's training."""
        return TrainSettings(
            model=self.judge or "conv4",
            epochs=self.epochs,
            batch_size=self.batch_size,
            device=self.device,
            seed=self.seed,
        )


def explore(
    data: Any,
    *,
    model: nn.Module | None = None,
    layer: str | None = None,
    normalisation: Normalisation | None = None,
    answers: Sequence[str] | None = None,
    settings: ExploreSettings | None = None,
    name: str = "",
    on_stage: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Look at a data set: centroids, outliers, duplicates, leaks, label issues, neighbours, a map.

    Args:
        data: parts by name, as `imprint.data.survey` gives them; `DataSplits`; an `ImageSet`; or
            any map-style data set of `(image, label)`, which is taken into memory.
        model: a network to look with; outliers, neighbours and the map are then of signatures at
            its layer, not of pixels, and its answers on outliers are compared with the rest.
        layer: a name out of `model.named_modules()`; needed with a model.
        normalisation: of the images that the model takes; None measures it on the first part.
        answers: class names of the model's answers, in order; None: those of the data.
        settings: how; None takes the usual ones.
        name: of the data, for result and report.
        on_stage: called with the name of each stage as it begins.

    Returns:
        What was found; the model is as it was.

    Raises:
        ImprintError: for data, model, layer or settings that will not do, before long work begins.

    Source: "Understanding and expediting learning…" (2022), sections 3 and 4, and past them.

    Examples:
        >>> from imprint.types import ImageSet
        >>> pixels = torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8)
        >>> found = explore(ImageSet(pixels, torch.arange(40) % 2, ("even", "odd")))
        >>> len(found.outliers(label="odd", k=3))
        3
    """
    settings = settings or ExploreSettings()
    parts = parts_of(data)
    if (model is None) != (layer is None):
        raise InvalidValueError(f"layer: expected one with a model and none without, got {layer!r}")
    look = None if model is None or layer is None else Look(model, layer, normalisation, answers)
    first = next(iter(parts.values())).images
    unjudged = _check_judge(first, settings)
    check_extras(settings)
    looked = {name: part for name, part in parts.items() if len(part.images)}
    stages, rows, num_classes = Stages(on_stage), Rows(looked), len(first.class_names)
    with stages("reading"):
        seen = read_all(rows, first, look)
    with stages("outliers"):
        scores = outlyingness(rows, seen)
    with stages("duplicates"):
        pairs = near_pairs(rows.read, len(rows))
    with stages("neighbours"):
        space = Space(rows, seen, seed=settings.seed)
        around = look_around(space, num_classes, seed=settings.seed)
        prototypes = nearest_prototypes(space, num_classes)
    with stages("labels"):
        issues = None if unjudged else _judge(looked, settings)
        unjudged = unjudged or _too_weak(issues, first)
    with stages("map"):
        points = draw_map(space, settings.embedding, seed=settings.seed)
        right_on_map = None if points is None else map_accuracy(points, first.labels)
    samples = samples_of(
        rows,
        scores=scores,
        digests=seen.digests,
        pairs=pairs,
        prototypes=prototypes,
        issues=issues,
        reliable=not unjudged,
    )
    found = Findings(parts, rows, seen, samples, around, unjudged, right_on_map)
    about = {"command": "explore", "data": name, "layer": layer, **asdict(settings)}
    result = {**about, **result_of(found), "seconds": stages.seconds, "versions": versions()}
    return Exploration(found, result, embedding=points)


def _check_judge(first: ImageSet, settings: ExploreSettings) -> str:
    """Why labels cannot be judged; an empty string where they can."""
    if settings.judge is None:
        return "not asked for"
    if len(first.labels.unique()) < 2:  # type: ignore[no-untyped-call]
        return "there is one class only"
    if len(first) < 2 * settings.folds:
        if settings.folds != ExploreSettings.folds:
            most = len(first) // 2
            raise InvalidValueError(
                f"folds: expected 2 … {most}, half the images; got {settings.folds}"
            )
        return f"there are only {len(first)} images"
    try:
        check_network(first, settings.training())
    except InvalidValueError as error:
        if settings.judge != ExploreSettings.judge:
            raise
        return str(error)
    return ""


def check_extras(settings: ExploreSettings) -> None:
    """Find what is not installed before long work begins.

    Args:
        settings: what is asked for.

    Raises:
        MissingExtraError: for a package of the extra `explore` that this needs.

    Examples:
        >>> check_extras(ExploreSettings())
    """
    needed = ["faiss", "scipy.sparse"]
    needed += ["cleanlab.filter"] if settings.judge is not None else []
    needed += ["sklearn.neighbors"] if settings.embedding != "none" else []
    needed += ["openTSNE"] if settings.embedding == "tsne" else []
    for name in needed:
        require(name)


def _judge(parts: Mapping[str, DataPart], settings: ExploreSettings) -> LabelIssues:
    """Judge the labels of all parts; the networks are trained on the first alone."""
    first, *others = (part.images for part in parts.values())
    tables = cross_fit(first, settings.training(), folds=settings.folds, others=others)
    judged = [
        label_issues(table, part.labels)
        for table, part in zip(tables, (first, *others), strict=True)
    ]
    return LabelIssues(*(torch.cat(column) for column in zip(*judged, strict=True)))


def _too_weak(issues: LabelIssues | None, first: ImageSet) -> str:
    """Why a judge's decisions do not count: it disagrees with too many labels to be believed."""
    if issues is None:
        return ""
    agrees = float((issues.suggested[: len(first)] == first.labels).float().mean())
    if agrees >= RELIABLE:
        return ""
    return (
        f"the judge is right on {agrees:.0%} of the labels only, too seldom to say which are wrong;"
        " a longer training (--epochs) or another network (--judge) may help"
    )
