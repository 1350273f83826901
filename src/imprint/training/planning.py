"""Predict what skipping would save before it is tried: by tier, layer and keep ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from imprint.data import Batches, LoaderBatches, batches_of, normalisation
from imprint.errors import InvalidValueError
from imprint.models import build_model, default_layer
from imprint.runs import claim, write_json
from imprint.skipping.costs import EpochCosts, StepCosts, obstacle, predicted_saving
from imprint.skipping.epochs import choose_seconds, load_seconds
from imprint.skipping.profiling import profile
from imprint.taps import (
    Clock,
    candidate_layers,
    channels_last,
    check_carries_all_data,
    clock_of,
    forward_stamps,
    guest,
    spread,
)
from imprint.training.engine import build_fabric
from imprint.training.fit import check_fit
from imprint.training.optimizers import build_optimizer
from imprint.training.results import versions
from imprint.training.settings import TrainSettings
from imprint.training.skips import build_plan
from imprint.training.tally import SkipTally
from imprint.types import DataSplits

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["KEEPS", "plan_skip"]

KEEPS = (0.3, 0.5, 0.7)
"""Keep ratios to predict for where none are given."""

GATES = 12
"""Layers at which a gate is tried, at most, where none are named."""

GAIN = 0.05
"""The least saving to recommend: what a prediction may be wrong by."""

WARM = 1
"""Forward passes that do not count."""


def plan_skip(
    data: DataSplits,
    settings: TrainSettings,
    *,
    keeps: Sequence[float] = KEEPS,
    layers: Sequence[str] | None = None,
    out: Path | str | None = None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Measure a network's steps on a data set and predict what skipping would save.

    Nothing is trained. What skipping does to accuracy is not predicted: `train` with `compare`
    measures it.

    Args:
        data: what is to be trained on.
        settings: of the training; its `keep` is the ratio to recommend for, the nearest of
            `keeps`. Its rule and tier do not count: the rule is `imprint`, the tiers are compared.
        keeps: the keep ratios to predict for, each in (0, 1).
        layers: where a gate may stand; None takes about a dozen, spread over the network.
        out: a new or empty folder for `config.json` and `result.json`; None writes nothing.
        note: what else `config.json` is to hold.

    Returns:
        What `result.json` holds; `docs/plan-skip.md` lists the keys.

    Raises:
        ImprintError: for settings, model, layers, keep ratios, data, device or folder that will
            not do.

    Examples:
        >>> from imprint.data import load
        >>> settings = TrainSettings(model="paper", device="cpu", batch_size=32)
        >>> result = plan_skip(load("mnist"), settings, keeps=[0.5], layers=["conv1"])
        >>> [(row["tier"], row["layer"]) for row in result["predictions"]]
        [('plan', None), ('gate', 'conv1')]
    """
    keeps = _checked(keeps)
    if settings.batch_shrink:
        expected = "0, as steps are measured on full batches"
        raise InvalidValueError(f"batch_shrink: expected {expected}; got {settings.batch_shrink}")
    build_plan(replace(settings, skip="imprint", tier="plan", keep=keeps[0]), data.train.labels)
    job = _Job.of(data, settings)
    asked = job.candidates() if layers is None else job.proven(layers)
    folder = None if out is None else claim(Path(out))
    costs = job.costs(asked, keeps)
    result = _result(costs, data, settings, keeps) | {"device": str(job.device)}
    if folder is not None:
        config = {"command": "plan-skip", **_asked(data, settings), "keeps": keeps}
        write_json(folder / "config.json", {**config, "layers": layers, **note})
        write_json(folder / "result.json", result)
    return result


def _checked(keeps: Sequence[float]) -> list[float]:
    wrong = [keep for keep in keeps if not 0 < keep < 1]
    if wrong or not keeps:
        got = wrong[0] if wrong else "none"
        raise InvalidValueError(f"keeps: expected shares in (0, 1), got {got}")
    return sorted(set(keeps))


@dataclass
class _Job:
    """A network on its device, with the batches that it is to be trained on."""

    data: DataSplits
    settings: TrainSettings
    model: nn.Module
    fabric: "Fabric"
    batches: Batches
    now: Clock

    @classmethod
    def of(cls, data: DataSplits, settings: TrainSettings) -> "_Job":
        """Build network and batches, as a trainer does."""
        channels, height, width = data.train.images.shape[1:]
        shape, classes = (channels, height, width), data.num_classes
        fabric = build_fabric(settings)
        model = build_model(settings.model, shape, classes, seed=settings.seed)
        check_fit(model, settings.model, shape, classes)
        channels_last(model)
        batches = batches_of(
            data.train,
            settings.batch_size,
            normalisation(data.train.images),
            augmentations=settings.augmentations_of(data.augmentations),
            device=fabric.device,
            seed=settings.seed,
            channels_last=True,
        )
        device = fabric.device
        return cls(data, settings, model.to(device), fabric, batches, clock_of(device))

    def candidates(self) -> list[str]:
        """About a dozen layers, spread over the time of a forward pass, and the usual one."""
        names = candidate_layers(self.model, self._example(), enough=GATES)
        images = next(self.batches.epoch(0)).images
        with guest(self.model, training=True), torch.no_grad(), self.fabric.autocast():
            turns = [
                forward_stamps(self.model, images, names, clock=self.now) for _ in range(WARM + 3)
            ]
        seconds = [min(times) for times in zip(*turns[WARM:], strict=True)]
        chosen = {*spread(names, seconds[:-1], most=GATES), self._usual()}
        return [name for name in names if name in chosen]

    def proven(self, layers: Sequence[str]) -> list[str]:
        """The layers, if all data flow through each."""
        for layer in layers:
            check_carries_all_data(self.model, layer, self._example())
        return list(layers)

    def costs(self, layers: Sequence[str], keeps: Sequence[float]) -> EpochCosts:
        """Measure the parts of an epoch."""
        load = load_seconds(self.batches, clock=self.now)
        size, rows = self.settings.batch_size, len(self.data.train)
        return EpochCosts(
            rows=rows,
            batch_size=size,
            step=self._step(layers, keeps),
            load=load.batch,
            start=load.start,
            overlaps=isinstance(self.batches, LoaderBatches),
            choose=choose_seconds(rows, keep=keeps[0], clock=self.now),
        )

    def _step(self, layers: Sequence[str], keeps: Sequence[float]) -> StepCosts:
        index, images, labels = next(self.batches.epoch(0))
        tally = SkipTally(self.data.train.labels, self.data.num_classes)
        return profile(
            self.model,
            images,
            labels,
            num_classes=self.data.num_classes,
            layers=layers,
            keeps=sorted({keeps[0], keeps[-1]}),
            optimizer=build_optimizer(self.model, self.settings),
            read=self._usual(),
            observe=lambda gate: tally.record(index, labels, gate),
            autocast=self.fabric.autocast,
            clock=self.now,
        )

    def _usual(self) -> str | None:
        """The layer that is read where none is named."""
        return self.settings.layer or default_layer(self.settings.model)

    def _example(self) -> Tensor:
        shape = self.data.train.images.shape[1:]
        return torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)).to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.fabric.device


def _result(
    costs: EpochCosts, data: DataSplits, settings: TrainSettings, keeps: Sequence[float]
) -> dict[str, Any]:
    """What `result.json` holds."""
    places = [("plan", None), *(("gate", layer) for layer in costs.step.gates)]
    predictions = [
        _prediction(costs, settings, tier, layer, keep) for tier, layer in places for keep in keeps
    ]
    recommended, reason = _recommendation(predictions, settings.keep)
    step = costs.step
    return {
        "recommended": recommended,
        "reason": reason,
        "predictions": predictions,
        "layers": [_layer_row(step, layer) for layer in step.gates],
        "load_seconds": costs.load,
        "load_share": costs.load / costs.batch(step.whole),
        "load_overlaps": costs.overlaps,
        "start_seconds": costs.start,
        "forward_seconds": step.forward,
        "step_seconds": step.whole,
        "plan_seconds": step.plan,
        "plan_share": step.plan / step.whole,
        "choose_seconds": costs.choose,
        "epoch_seconds": costs.start + costs.rows // costs.batch_size * costs.batch(step.whole),
        "keeps": list(keeps),
        **_asked(data, settings),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _asked(data: DataSplits, settings: TrainSettings) -> dict[str, Any]:
    """The settings that the prediction depends on."""
    named = {name: value for name, value in asdict(settings).items() if name in _SETTINGS}
    return {"data": data.name, "train_images": len(data.train), **named}


_SETTINGS = {
    *("model", "keep", "dense_start", "dense_end", "epochs", "batch_size", "optimizer"),
    *("precision", "device", "seed", "augment", "augmentations"),
}


def _layer_row(step: StepCosts, layer: str) -> dict[str, Any]:
    gate = step.gates[layer]
    return {
        "layer": layer,
        "before_seconds": gate.before,
        "before_share": gate.before / step.forward,
        "gate_seconds": gate.own,
        "gate_share": gate.own / step.whole,
        "frozen_seconds": gate.frozen,
        "frozen_share": None if gate.frozen is None else gate.frozen / step.whole,
        "measured": [{"share": share, "step_seconds": whole} for share, whole in gate.steps],
    }


def _prediction(
    costs: EpochCosts, settings: TrainSettings, tier: str, layer: str | None, keep: float
) -> dict[str, Any]:
    """What skipping saves at one place, and why it does not where it does not."""
    saved = predicted_saving(
        costs,
        keep=keep,
        epochs=settings.epochs,
        layer=layer,
        dense_start=settings.dense_start,
        dense_end=settings.dense_end,
    )
    trained = sum(settings.shares(keep)) / settings.epochs
    why = None if saved >= GAIN else _why(costs, layer, trained)
    return {"tier": tier, "layer": layer, "keep": keep, "time_saved": saved, "why_no_gain": why}


def _why(costs: EpochCosts, layer: str | None, trained: float) -> str:
    """Part of a sentence: what stands in the way, where a share of all images is trained on."""
    if 1 - trained < 2 * GAIN:
        return f"{100 * trained:.0f} % of the images are trained on all the same"
    return obstacle(costs, layer=layer)


def _recommendation(
    predictions: Sequence[dict[str, Any]], keep: float
) -> tuple[dict[str, Any] | None, str]:
    """What saves most at the keep ratio nearest to the one asked for, and a sentence on it."""
    nearest = min((row["keep"] for row in predictions), key=lambda other: abs(other - keep))
    rows = [row for row in predictions if row["keep"] == nearest]
    best = max(rows, key=lambda row: row["time_saved"])
    where = "plan" if best["layer"] is None else f"gate at {best['layer']}"
    if best["why_no_gain"] is not None:
        return None, f"no gain here, because {best['why_no_gain']}"
    share = f"{100 * best['time_saved']:.0f} % of the training time"
    gates = [row for row in rows if row["layer"] is not None]
    reason = f"{where}, keep {nearest:g}: saves {share}"
    if best["layer"] is None and gates:
        reason += f"; {_gate_sentence(max(gates, key=lambda row: row['time_saved']))}"
    chosen = {name: best[name] for name in ("tier", "layer", "keep", "time_saved")}
    return chosen, reason


def _gate_sentence(gate: Mapping[str, Any]) -> str:
    """What the best gate does, beside a plan."""
    if gate["why_no_gain"] is None:
        return f"a gate at {gate['layer']} saves {100 * gate['time_saved']:.0f} %"
    return f"a gate gains nothing, because {gate['why_no_gain']}"
