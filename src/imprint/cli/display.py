"""What a training run shows while it goes, and the table at its end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from imprint.cli.live_bar import LiveBar
from imprint.cli.terminal import bare_table, result_console
from imprint.on_maps import Extraction
from imprint.report import accuracies_on_maps, verdict
from imprint.training import Progress as Step

__all__ = ["TrainDisplay", "show_result"]


class TrainDisplay(LiveBar):
    """A live bar on a terminal, and one line an epoch everywhere; all of it on stderr.

    Args:
        epochs: of each run.
        runs: 1, or 2 for a comparison.
    """

    def __init__(self, epochs: int, runs: int) -> None:
        super().__init__("starting", "{task.fields[state]}", state="")
        self._epochs, self._runs = epochs, runs
        self._accuracy: dict[str, str] = {}
        self._told: set[str] = set()

    def on_step(self, step: Step) -> None:
        """Move the bar.

        Args:
            step: where the run stands.
        """
        skipped = f" skipped {step.skipped:,}" if step.run == "skip" else ""
        accuracy = self._accuracy.get(step.run, "")
        self.move(
            description=f"{step.run} {step.epoch + 1}/{self._epochs}",
            total=self._epochs * self._runs,
            completed=self._position(step),
            state=f"loss {step.loss:.3f}{accuracy} trained {step.trained:,}{skipped}",
        )

    def on_extract(self, stage: Extraction) -> None:
        """Move the bar as maps are taken, and say beforehand how much room they need.

        Args:
            stage: how far it is.
        """
        images = f"{stage.total:,} images"
        if stage.part not in self._told:
            self._told.add(stage.part)
            size = f"{stage.nbytes / 1e6:,.1f} MB"
            self.console.print(f"maps of the {stage.part} part: {images}, {size}")
        self.move(
            description=f"maps of {stage.part}",
            total=stage.total,
            completed=stage.done,
            state=images,
        )

    def on_epoch(self, name: str, row: Mapping[str, Any]) -> None:
        """Print an epoch's line.

        Args:
            name: `plain` or `skip`.
            row: the epoch's row of `result.json`.
        """
        self._accuracy[name] = f" acc {row['test_accuracy']:.2%}"
        skipped = f"{row['images_skipped']:>7,} skipped  " if name == "skip" else " " * 17
        self.console.print(
            f"{name:5} epoch {row['epoch']:>{len(str(self._epochs))}}/{self._epochs}  "
            f"loss {row['train_loss']:.4f}  accuracy {row['test_accuracy']:7.2%}  "
            f"{skipped}{row['train_seconds']:.1f} s"
        )

    def _position(self, step: Step) -> float:
        """Epochs done by all runs, which take turns, plain first."""
        turns = step.epoch * self._runs + (self._runs == 2 and step.run == "skip")
        return turns + step.step / step.steps


def show_result(result: Mapping[str, Any], paths: list[Path]) -> None:
    """Print the table of a result, and where its files are, on stdout.

    Args:
        result: what `result.json` holds.
        paths: the files to name.
    """
    console = result_console()
    both = "plain" in result
    runs = {"plain": result["plain"], result["skip"]["skip"]: result["skip"]} if both else None
    runs = runs or {result["skip"] if result["skip"] != "none" else "plain": result}
    console.print(_table(runs))
    if "on_maps" in result:
        console.print(_maps_table(runs, result))
    if both:
        console.print(verdict(result))
    for path in paths:
        console.print(str(path), soft_wrap=True, markup=False)


def _table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    table = bare_table()
    table.add_column("run")
    columns = ["accuracy", "worst class", "images trained", "skipped", "seconds"]
    for name in [*columns, *(["time saved"] if len(runs) == 2 else [])]:
        table.add_column(name, justify="right")
    plain = next(iter(runs.values()))
    for name, run in runs.items():
        seen, worst = run["images_seen"], run["worst_class"]
        saved = 1 - run["train_seconds"] / plain["train_seconds"]
        table.add_row(
            name,
            f"{run['test_accuracy']:.2%}",
            f"{worst['accuracy']:.2%}" if worst else "",
            f"{run['images_trained']:,}",
            f"{run['images_skipped'] / seen:.0%}",
            f"{run['train_seconds']:.1f}",
            *([f"{saved:.1%}" if run is not plain else ""] if len(runs) == 2 else []),
        )
    return table


def _maps_table(runs: Mapping[str, Mapping[str, Any]], result: Mapping[str, Any]) -> Table:
    """The run beside its base, on the test images and on their maps."""
    table = bare_table()
    table.add_column("network")
    for name in ("test images", "test maps"):
        table.add_column(name, justify="right")
    for row in accuracies_on_maps(runs, result):
        table.add_row(row.name, f"{row.images:.2%}", f"{row.maps:.2%}")
    return table
