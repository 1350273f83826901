"""The report of `imprint train`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imprint.report.charts import (
    accuracy_by_class,
    accuracy_by_epoch,
    accuracy_by_seconds,
    class_epoch_map,
    similarity_by_class,
)
from imprint.report.page import Chart, render
from imprint.report.pictures import Shown, picture
from imprint.report.training_on_maps import accuracies_on_maps, maps_sentence
from imprint.types import ImageSet

__all__ = ["train_report", "verdict"]

_WHERE = {
    "plan": "an epoch, before it was loaded",
    "gate": "a training step, at the tapped layer",
    "both": "an epoch, before it was loaded, and of a training step, at the tapped layer",
    "loss": "a training step, after a look at the losses",
}

MOST_CLASSES = 20
"""Classes whose pictures are shown."""

MOST_SUSPECTS = 24
"""Suspects whose pictures are shown."""

Run = Mapping[str, Any]


class Fact(NamedTuple):
    """A number on top of the page.

    Attributes:
        name: what it is.
        value: of the run, or of the one that skips.
        beside: what to hold it against.
    """

    name: str
    value: str
    beside: str


class ClassPictures(NamedTuple):
    """A class's pictures."""

    name: str
    most: list[Shown]
    never: list[Shown]


def train_report(result: Mapping[str, Any], images: ImageSet, command: str = "") -> str:
    """Make the report of a training run, or of a comparison.

    Args:
        result: what `result.json` holds.
        images: the training images, in the order that the run saw; of a run on maps, those that
            the maps are of.
        command: how to repeat it.

    Returns:
        One HTML page with all that it needs inside.

    Examples:
        >>> import torch
        >>> from imprint.training import TrainSettings, train
        >>> from imprint.types import DataSplits
        >>> pixels = torch.randint(256, (64, 1, 16, 16), dtype=torch.uint8)
        >>> noise = ImageSet(pixels, torch.arange(64) % 2, ("even", "odd"))
        >>> settings = TrainSettings(epochs=1, batch_size=16, device="cpu")
        >>> result = train(DataSplits("noise", noise, noise), settings)
        >>> train_report(result, noise).startswith("<!doctype html>")
        True
    """
    runs = _runs(result)
    last = list(runs.values())[-1]
    per = result.get("maps_images", len(images)) // len(images)
    return render(
        "train.html",
        title=f"{last['model']} on {last['data']}",
        summary=verdict(result),
        facts=_facts(runs),
        on_maps=accuracies_on_maps(runs, result),
        maps=maps_sentence(result) if "on_maps" in result else "",
        course=_course(runs),
        memory=_memory(
            last, (per * images.labels.bincount(minlength=len(images.class_names))).tolist()
        ),
        classes=_classes(runs),
        pictures=_pictures(last, images, per),
        suspects=_suspects(last, images, per),
        suspected=len((last["suspects"] or {"index": []})["index"]),
        unshown=max(0, len(images.class_names) - MOST_CLASSES),
        runs=runs,
        settings=_settings(last),
        command=command,
    )


def verdict(result: Mapping[str, Any]) -> str:
    """Say in a sentence or two what came out.

    Args:
        result: what `result.json` holds, of one run or of a comparison.

    Returns:
        Text for a terminal or a page.

    Examples:
        >>> runs = {"plain": {"test_accuracy": 0.9}, "skip": {"test_accuracy": 0.91}}
        >>> verdict(runs | {"time_saved": -0.1, "accuracy_difference": 0.01})
        '10.0% more time than plain, accuracy +1.00 points. One seed, no controls.'
    """
    if "plain" not in result:
        accuracy, skipped = result["test_accuracy"], result["images_skipped"]
        share = skipped / max(1, result["images_seen"])
        return f"{accuracy:.2%} of the test images right, {share:.0%} of the training skipped."
    saved, gained = result["time_saved"], 100 * result["accuracy_difference"]
    time = f"{abs(saved):.1%} {'less' if saved > 0 else 'more'} time than plain"
    return f"{time}, accuracy {gained:+.2f} points. One seed, no controls."


def _runs(result: Mapping[str, Any]) -> dict[str, Run]:
    if "plain" in result:
        return {"plain": result["plain"], "skip": result["skip"]}
    return {"plain" if result["skip"] == "none" else "skip": result}


def _facts(runs: Mapping[str, Run]) -> list[Fact]:
    last, plain = list(runs.values())[-1], runs.get("plain")
    other = plain if len(runs) == 2 else None

    def beside(text: Any) -> str:
        return f"plain: {text(other)}" if other else ""

    def accuracy(run: Run) -> str:
        return f"{run['test_accuracy']:.2%}"

    def seconds(run: Run) -> str:
        return f"{run['train_seconds']:,.1f} s"

    def trained(run: Run) -> str:
        return f"{run['images_trained']:,}"

    def worst(run: Run) -> str:
        lowest = run["worst_class"]
        return f"{lowest['accuracy']:.2%} ({lowest['name']})" if lowest else "none tested"

    named = {
        "test accuracy": accuracy,
        "training time": seconds,
        "images trained": trained,
        "worst class": worst,
    }
    return [Fact(name, text(last), beside(text)) for name, text in named.items()]


def _course(runs: Mapping[str, Run]) -> list[Chart]:
    return [
        Chart("Accuracy against epochs", accuracy_by_epoch(runs), "Tested after each epoch."),
        Chart(
            "Accuracy against time",
            accuracy_by_seconds(runs),
            "Seconds spent in training; tests are not counted.",
        ),
    ]


def _memory(run: Run, class_sizes: Sequence[int]) -> list[Chart]:
    """What the class memory said, and what was left out; nothing for a run without a gate."""
    if run["skip"] == "none":
        return []
    return [
        Chart(
            "Skipped",
            class_epoch_map(run, "skipped_per_class", class_sizes, "skipped"),
            f"What the rule {run['skip']} left out of {_WHERE[run['tier']]}.",
        ),
        *_similarity(run, class_sizes),
    ]


def _similarity(run: Run, class_sizes: Sequence[int]) -> list[Chart]:
    """What the memory said of the images that were loaded; nothing where no layer was tapped."""
    if run["similarity"] is None:
        return []
    caption = "Each class's images against its own prototype, as the tap saw them in epoch {}."
    hits = Chart(
        "Hits",
        class_epoch_map(run, "hits_per_class", class_sizes, "hits"),
        "An image is a hit where the nearest prototype is its own class's and its similarity "
        "passes the threshold. What was not loaded is none.",
    )
    return [hits] + [
        Chart(
            f"Familiarity, {when}",
            similarity_by_class(run, when),
            caption.format(run["similarity"][when]["epoch"]),
        )
        for when in ("early", "late")
        if when == "late"
        or run["similarity"]["early"]["epoch"] != run["similarity"]["late"]["epoch"]
    ]


def _classes(runs: Mapping[str, Run]) -> list[Chart]:
    last = list(runs.values())[-1]
    if last["worst_class"] is None:
        return []
    chart = accuracy_by_class(runs)
    shown, tested = len(chart["data"][0]["y"]), sum(v is not None for v in last["class_accuracy"])
    which = f"The {shown} worst of {tested} classes" if shown < tested else "All classes"
    return [Chart("Accuracy by class", chart, f"{which} that the test set has, worst first.")]


def _pictures(run: Run, images: ImageSet, per: int) -> list[ClassPictures]:
    """The images that were skipped most often, and never, of the first classes.

    Of a run on maps, each image made several, one after the other: `per`.
    """
    if not run["images_skipped"]:
        return []

    def shown(rows: Sequence[int], notes: Sequence[str]) -> list[Shown]:
        return [
            Shown(picture(images.images[row // per]), note)
            for row, note in zip(rows, notes, strict=True)
        ]

    return [
        ClassPictures(
            name,
            shown(
                run["most_skipped"][k],
                [f"skipped {_times(n)}" for n in run["most_skipped_counts"][k]],
            ),
            shown(run["never_skipped"][k], ["never skipped"] * len(run["never_skipped"][k])),
        )
        for k, name in enumerate(images.class_names[:MOST_CLASSES])
    ]


def _suspects(run: Run, images: ImageSet, per: int) -> list[Shown]:
    """The images whose label was contradicted most, with what each looks like."""
    if run["suspects"] is None:
        return []
    names, found = images.class_names, run["suspects"]
    pairs = zip(found["index"], found["closest"], strict=True)
    return [
        Shown(
            picture(images.images[row // per]),
            f"labelled {names[int(images.labels[row // per])]}, looks like {names[closest]}",
        )
        for row, closest in list(pairs)[:MOST_SUSPECTS]
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _settings(run: Run) -> dict[str, Any]:
    """What was run, for the table; what does not apply is left out."""
    names = (
        "data", "model", "layer", "parameters", "skip", "tier", "keep", "cover", "class_floor",
        "hold_suspects", "renew_norm", "dense_start", "dense_end", "threshold_reading",
        "batch_size", "batch_shrink", "freeze_after", "optimizer", "lr", "momentum",
        "weight_decay", "schedule", "precision", "clip", "label_smoothing", "augment",
        "augmentations", "target", "seed", "device", "threads",
    )  # fmt: skip
    given = {
        name.replace("_", " "): _told(run[name]) for name in names if run.get(name) is not None
    }
    return given | {f"{name} version": number for name, number in run["versions"].items()}


def _told(value: Any) -> Any:
    """A setting as words: several names with commas between, shares behind theirs."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {share:g}" for name, share in value.items())
    return ", ".join(value) if isinstance(value, list) else value
