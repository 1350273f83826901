"""Skipping methods side by side: one process, the same seeds, taking turns, paired."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imprint.benchmarking.flops import StepFlops, step_flops
from imprint.benchmarking.summaries import summarise
from imprint.counts import check_count
from imprint.errors import DamagedFileError, DivergedError, InvalidValueError
from imprint.runs import claim, read_json, read_tensors, write_json, write_tensors
from imprint.training.building import build_trainer
from imprint.training.progress import Progress
from imprint.training.results import versions
from imprint.training.settings import TrainSettings
from imprint.training.trainer import Trainer
from imprint.types import DataSplits

__all__ = ["FROZEN", "METHODS", "BenchSettings", "bench_skip"]

METHODS: dict[str, dict[str, Any]] = {
    "plain": {"skip": "none"},
    "matched": {"skip": "none"},
    "freezing": {"skip": "none"},
    "random": {"skip": "random"},
    "infobatch": {"skip": "infobatch"},
    "orderdp": {"skip": "orderdp"},
    "selective-backprop": {"skip": "selective-backprop"},
    "partial-forward-blocking": {"skip": "partial-forward-blocking"},
    "kakurenbo": {"skip": "kakurenbo"},
    "early-stopping": {"skip": "early-stopping"},
    "paper": {"skip": "paper"},
    "imprint": {"skip": "imprint"},
    "imprint-auto": {"skip": "imprint", "cover": 0.96},
    "imprint-unfrozen": {"skip": "imprint", "freeze_after": None},
    "imprint-gate": {"skip": "imprint", "tier": "gate"},
    "imprint-both": {"skip": "imprint", "tier": "both"},
    "random-gate": {"skip": "random", "tier": "gate"},
    "top": {"skip": "top"},
}
"""Each method's settings beside those that all share; a new one is registered here."""

ROUNDING = 1e-9
"""Shares of epochs do not sum up to the last bit."""

FROZEN = ("freezing", "imprint-unfrozen")
"""Methods that only differ from others where the shared settings freeze layers on the way."""

KEEPLESS = {
    name
    for name, own in METHODS.items()
    if name in ("plain", "freezing") or TrainSettings(**own).decides
}
"""Methods that decide by themselves how much they keep, and run once for all keep ratios."""


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What to set side by side.

    Args:
        base: the settings that all runs share; method, keep ratio and seed are set in it.
        methods: names of `METHODS`; `plain` is always among them, as the others are held to it.
        keeps: keep ratios in (0, 1].
        seeds: how many, from 0.

    Raises:
        InvalidValueError: for an unknown method, a keep ratio out of range or no seed.

    Examples:
        >>> BenchSettings(base=TrainSettings(), methods=("magic",))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: methods: expected some of plain, ... got 'magic'
    """

    base: TrainSettings
    methods: tuple[str, ...] = ("plain", "matched", "random", "imprint")
    keeps: tuple[float, ...] = (0.5,)
    seeds: int = 5

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in METHODS:
                expected = ", ".join(METHODS)
                raise InvalidValueError(f"methods: expected some of {expected}; got {method!r}")
            if method in FROZEN and self.base.freeze_after is None:
                raise InvalidValueError(f"methods: expected freeze_after beside {method}, got none")
        for keep in self.keeps:
            if not 0 < keep <= 1:
                raise InvalidValueError(f"keeps: expected shares in (0, 1], got {keep}")
        check_count("seeds", self.seeds)
        if not self.keeps:
            raise InvalidValueError("keeps: expected at least one, got none")

    def runs(self, seed: int) -> dict[str, tuple[str, float | None, TrainSettings]]:
        """Name the runs of a seed.

        Args:
            seed: from 0.

        Returns:
            for each run its method, its keep ratio (None where it has none) and its settings.

        Examples:
            >>> list(BenchSettings(base=TrainSettings(), keeps=(0.5, 0.25)).runs(0))[:3]
            ['plain', 'matched-0.5', 'matched-0.25']
        """
        base = replace(self.base, seed=seed, familiarity=False)
        runs: dict[str, tuple[str, float | None, TrainSettings]] = {}
        for method in dict.fromkeys(("plain", *self.methods)):
            for keep in (None,) if method in KEEPLESS else self.keeps:
                name = method if keep is None else f"{method}-{keep:g}"
                runs[name] = (method, keep, _settings(base, method, keep))
        return runs


def _settings(base: TrainSettings, method: str, keep: float | None) -> TrainSettings:
    """The settings of a run; `matched` never trains on fewer images than its keep ratio makes."""
    if method == "matched" and keep is not None:
        return replace(base.plain(), epochs=math.ceil(sum(base.shares(keep)) - ROUNDING))
    if method == "freezing":
        return replace(base.plain(), freeze_after=base.freeze_after)
    if METHODS[method]["skip"] == "none":
        return base.plain()
    return replace(base, keep=base.keep if keep is None else keep, **METHODS[method])


def bench_skip(
    data: DataSplits,
    settings: BenchSettings,
    *,
    out: Path,
    resume: bool = False,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_run: Callable[[dict[str, Any]], None] = lambda _: None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Train with each method and seed, and set them side by side.

    The runs of a seed start from the same weights, see the images in the same order and take turns,
    so that what disturbs the machine meets all alike. `matched` is plain training with fewer
    epochs, its schedule compressed to fit.

    Args:
        data: what to train and to test on.
        settings: what to set side by side.
        out: a new or empty folder for `config.json`, `result.json` and checkpoints.
        resume: continue what was stopped in `out`.
        on_step: called after each optimizer step.
        on_run: called with the row of each run that is done.
        note: what else `config.json` is to hold.

    Returns:
        What `result.json` holds: `rows`, one a run, and `summary`, one a method and keep ratio.

    Raises:
        ImprintError: for settings, data or a folder that will not do.

    Examples:
        >>> import tempfile, torch
        >>> from imprint.types import ImageSet
        >>> images = torch.randint(256, (64, 1, 16, 16), dtype=torch.uint8)
        >>> noise = ImageSet(images, torch.arange(64) % 2, ("even", "odd"))
        >>> base = TrainSettings(epochs=2, batch_size=16, device="cpu")
        >>> settings = BenchSettings(base=base, methods=("random",), seeds=1)
        >>> with tempfile.TemporaryDirectory() as out:
        ...     result = bench_skip(DataSplits("noise", noise, noise), settings, out=Path(out))
        >>> [(row["method"], row["images_backwarded"]) for row in result["rows"]]
        [('plain', 128), ('random', 96)]
    """
    sizes = {"train_images": len(data.train), "test_images": len(data.test)}
    config = {"command": "bench skip", "data": data.name, **sizes, **_config(settings)}
    _build(data, settings, 0, on_step)  # what cannot be run shows before a folder is there
    config = _open(out, config, note, resume=resume)
    rows: list[dict[str, Any]] = []
    for seed in range(settings.seeds):
        path = out / f"seed-{seed}.json"
        if not path.is_file():
            write_json(path, {"rows": _run_seed(data, settings, seed, out, on_step)})
        for checkpoint in out.glob(f"*checkpoint-{seed}-*"):  # one cut off while written, too
            checkpoint.unlink()
        done = read_json(path).get("rows")
        if not isinstance(done, list):
            raise DamagedFileError(f"{path}: expected rows; delete it, and resume")
        rows += done
        for row in done:
            on_run(row)
        result = {**config, "rows": rows, "summary": summarise(rows), "versions": versions()}
        write_json(out / "result.json", result)
    return result


def _config(settings: BenchSettings) -> dict[str, Any]:
    shared = {"methods": list(settings.methods), "keeps": list(settings.keeps)}
    left_out = ("skip", "tier", "keep", "seed")
    base = {key: value for key, value in asdict(settings.base).items() if key not in left_out}
    return {**shared, "seeds": settings.seeds, **base}


def _open(
    out: Path, config: dict[str, Any], note: Mapping[str, Any], *, resume: bool
) -> dict[str, Any]:
    """Begin a folder, or check that the one that is there holds the same runs; seeds may grow."""
    if not resume:
        write_json(claim(out) / "config.json", {**config, **note})
        return config
    stored = read_json(out / "config.json")
    usual = asdict(TrainSettings())  # of what was no setting yet when the runs began
    for key, got in config.items():
        held = stored.get(key, usual.get(key, 0))
        if not (got >= held if key == "seeds" else got == held):
            expected = f"{held!r} as the runs in {out} have"
            more = " at least" if key == "seeds" else ""
            raise InvalidValueError(f"{key}: expected {expected}{more}, got {got!r}")
    write_json(out / "config.json", {**note, **stored, "seeds": config["seeds"]})
    return config


def _run_seed(
    data: DataSplits,
    settings: BenchSettings,
    seed: int,
    out: Path,
    on_step: Callable[[Progress], None],
) -> list[dict[str, Any]]:
    """All runs of a seed; whichever is least far takes the next turn. One may diverge."""
    trainers, diverged = _build(data, settings, seed, on_step), dict[str, str]()
    for name, trainer in trainers.items():
        if (path := _checkpoint(out, seed, name)).is_file():
            trainer.load_state(*read_tensors(path))
    trainers["plain"].warm_up()
    while waiting := [n for n in trainers if not (trainers[n].finished or n in diverged)]:
        name = min(waiting, key=lambda n: trainers[n].epoch / trainers[n].settings.epochs)
        try:
            trainers[name].train_epoch()
        except DivergedError as error:
            diverged[name] = str(error)
            continue
        write_tensors(_checkpoint(out, seed, name), *trainers[name].state())
    channels, height, width = data.train.images.shape[1:]
    return [
        {"method": method, "keep": keep, "seed": seed}
        | _row(trainers[name], (channels, height, width), diverged.get(name))
        for name, (method, keep, _) in settings.runs(seed).items()
    ]


def _build(
    data: DataSplits, settings: BenchSettings, seed: int, on_step: Callable[[Progress], None]
) -> dict[str, Trainer]:
    """The trainers of a seed, by the names of their runs."""
    return {
        name: build_trainer(data, run_settings, name, on_step)
        for name, (_, _, run_settings) in settings.runs(seed).items()
    }


def _checkpoint(out: Path, seed: int, name: str) -> Path:
    return out / f"checkpoint-{seed}-{name}.safetensors"


def _row(trainer: Trainer, shape: tuple[int, int, int], diverged: str | None) -> dict[str, Any]:
    """What `result.json` says of a run; one that diverged has no accuracy."""
    epochs = trainer.epochs
    known = [value for value in trainer.class_accuracy if value is not None]
    loaded, forwarded, trained = (
        sum(row[key] for row in epochs)
        for key in ("images_loaded", "images_forwarded", "images_trained")
    )
    return {
        "accuracy": None if diverged else epochs[-1]["test_accuracy"],
        "worst_class": None if diverged else min(known),
        "seconds": sum(row["train_seconds"] for row in epochs),
        "images_loaded": loaded,
        "images_forwarded": forwarded,
        "images_backwarded": trained,
        "flops": _flops(trainer, shape),
        "diverged": diverged,
        "epochs": len(epochs),
        "accuracies": [row["test_accuracy"] for row in epochs],
        "epoch_seconds": [row["train_seconds"] for row in epochs],
    }


def _flops(trainer: Trainer, shape: tuple[int, int, int]) -> float:
    """Operations of all epochs; what is frozen in one has no gradient to compute there."""
    gated = trainer.tiers.gate is not None and trainer.settings.gated
    layer = trainer.tiers.gate.layer if trainer.tiers.gate is not None and gated else None
    steps: dict[tuple[str, ...], StepFlops] = {}
    total = 0.0
    for epoch, row in enumerate(trainer.epochs):
        frozen = trainer.frozen_layers(epoch)
        if frozen not in steps:
            with trainer.frozen_at(epoch):
                steps[frozen] = step_flops(trainer.model, shape, layer=layer)
        loaded, trained = row["images_loaded"], row["images_trained"]
        forwarded = 0 if trainer.settings.gated else row["images_forwarded"] - trained
        total += steps[frozen].of(forwarded=forwarded, entered=loaded, trained=trained)
    return total
