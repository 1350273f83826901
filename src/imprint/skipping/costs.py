"""What skipping costs and saves, in seconds: a model of an epoch, fed with measured parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from imprint.errors import InvalidValueError
from imprint.skipping.rules import kept_count
from imprint.skipping.schedules import keep_at

__all__ = ["EpochCosts", "GateCosts", "StepCosts", "gated_step", "obstacle", "predicted_saving"]


@dataclass(frozen=True, kw_only=True)
class GateCosts:
    """Seconds of a training step with a gate at a layer.

    Args:
        before: of the forward pass up to the layer.
        own: of the gate itself: signatures, memory, choice.
        steps: of whole steps: pairs of the share of rows that stays and the seconds, ascending.
        frozen: of a step without the gate, on all rows, in which the layer and all before it learn
            nothing; None where it has no weights before it, or none behind.

    Examples:
        >>> GateCosts(before=0.1, own=0.01, steps=((0.3, 0.5),)).own
        0.01
    """

    before: float
    own: float
    steps: tuple[tuple[float, float], ...]
    frozen: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepCosts:
    """Seconds of a training step on a full batch, its loading left out.

    Args:
        forward: of the forward pass.
        whole: of forward, backward and update.
        plan: of what a plan adds to it: noting losses, and reading a layer where one is read.
        gates: of a step with a gate, by layer, in forward order.

    Examples:
        >>> StepCosts(forward=0.1, whole=0.3, plan=0.0, gates={}).whole
        0.3
    """

    forward: float
    whole: float
    plan: float
    gates: Mapping[str, GateCosts]


@dataclass(frozen=True, kw_only=True)
class EpochCosts:
    """What an epoch of training is made of.

    Args:
        rows: N, the samples of the data set.
        batch_size: B; only full batches are trained on.
        step: seconds of a step.
        load: seconds in which the loader gives a batch.
        start: seconds of an epoch before its first batch comes, beside that batch's own.
        overlaps: whether batches are loaded while a step runs.
        choose: seconds in which a plan chooses an epoch's samples.

    Examples:
        >>> step = StepCosts(forward=0.1, whole=0.3, plan=0.0, gates={})
        >>> EpochCosts(rows=100, batch_size=10, step=step, load=0.1).batch(0.3)
        0.4
    """

    rows: int
    batch_size: int
    step: StepCosts
    load: float
    start: float = 0.0
    overlaps: bool = False
    choose: float = 0.0

    def batch(self, step: float) -> float:
        """Give the seconds of a batch, from loader to update.

        Args:
            step: seconds of its step.

        Returns:
            The longer of loading and step where they overlap, else their sum.
        """
        return max(self.load, step) if self.overlaps else self.load + step


def gated_step(gate: GateCosts, whole: float, share: float) -> float:
    """Interpolate the seconds of a step with a gate, linearly in the rows that stay.

    A gate that lets every row pass costs a plain step and its own time; beyond the smallest share
    that was measured, the line goes on.

    Args:
        gate: what was measured.
        whole: seconds of a plain step.
        share: of the rows that stay, in (0, 1].

    Returns:
        The seconds.

    Examples:
        >>> gate = GateCosts(before=0.1, own=0.1, steps=((0.2, 0.5),))
        >>> [round(gated_step(gate, 1.2, share), 3) for share in (0.1, 0.2, 0.6, 1.0)]
        [0.4, 0.5, 0.9, 1.3]
    """
    points = [point for point in gate.steps if point[0] < 1] + [(1.0, whole + gate.own)]
    if len(points) == 1:
        return points[0][1]
    pairs = pairwise(points)
    low, high = next((pair for pair in pairs if share <= pair[1][0]), (points[-2], points[-1]))
    along = (share - low[0]) / (high[0] - low[0])
    return low[1] + along * (high[1] - low[1])


def predicted_saving(
    costs: EpochCosts,
    *,
    keep: float,
    epochs: int,
    layer: str | None = None,
    dense_start: float = 0.05,
    dense_end: float = 0.0,
) -> float:
    """Predict the share of plain training's seconds that skipping saves; tests do not count.

    Args:
        costs: what was measured.
        keep: the keep ratio, in (0, 1].
        epochs: of the whole training, at least 1.
        layer: where a gate stands; None for a plan.
        dense_start: the share of the epochs, at the start, in which nothing is skipped.
        dense_end: likewise at the end.

    Returns:
        The share, at most 1; below 0 where skipping takes longer.

    Raises:
        InvalidValueError: for values out of range, a layer that was not measured, or a plan whose
            epochs would keep less than one batch.

    Examples:
        >>> step = StepCosts(forward=0.1, whole=0.3, plan=0.0, gates={})
        >>> costs = EpochCosts(rows=1000, batch_size=10, step=step, load=0.1)
        >>> round(predicted_saving(costs, keep=0.5, epochs=10), 3)  # the first epoch is dense
        0.45
    """
    if epochs < 1:
        raise InvalidValueError(f"epochs: expected at least 1, got {epochs}")
    if layer is not None and layer not in costs.step.gates:
        measured = ", ".join(costs.step.gates) or "none"
        raise InvalidValueError(f"layer: expected one that was measured ({measured}), got {layer}")
    shares = [
        keep_at(epoch / epochs, keep=keep, dense_start=dense_start, dense_end=dense_end)
        for epoch in range(epochs)
    ]
    seconds = {share: _epoch(costs, share, layer) for share in set(shares)}
    plain = costs.start + costs.rows // costs.batch_size * costs.batch(costs.step.whole)
    return 1 - sum(seconds[share] for share in shares) / (epochs * plain)


def _epoch(costs: EpochCosts, share: float, layer: str | None) -> float:
    """Seconds of an epoch that keeps a share of the samples."""
    size, step = costs.batch_size, costs.step
    if layer is not None:
        stay = kept_count(size, share) / size
        batch = costs.batch(gated_step(step.gates[layer], step.whole, stay))
        return costs.start + costs.rows // size * batch
    batches = _planned_batches(costs, share)
    chosen = costs.choose if share < 1 else 0.0
    return costs.start + chosen + batches * costs.batch(step.whole + step.plan)


def _planned_batches(costs: EpochCosts, share: float) -> int:
    """The full batches that a plan's epoch loads."""
    kept = max(1, round(share * costs.rows))
    if kept < costs.batch_size:
        expected = f"1 … {kept}, the samples that an epoch keeps at keep {share:g}"
        raise InvalidValueError(f"batch_size: expected {expected}; got {costs.batch_size}")
    return kept // costs.batch_size


def obstacle(costs: EpochCosts, *, layer: str | None = None) -> str:
    """Say what keeps skipping from saving more: the largest cost that it does not take away.

    Args:
        costs: what was measured.
        layer: where a gate stands; None for a plan.

    Returns:
        Part of a sentence, after `because`.

    Examples:
        >>> gate = GateCosts(before=0.09, own=0.0, steps=((0.5, 0.3),))
        >>> step = StepCosts(forward=0.1, whole=0.3, plan=0.0, gates={"layer4": gate})
        >>> costs = EpochCosts(rows=100, batch_size=10, step=step, load=0.0)
        >>> obstacle(costs, layer="layer4")
        'layer4 lies too deep: 90 % of the forward pass is done by then'
    """
    shares = _plan_obstacles(costs) if layer is None else _gate_obstacles(costs, layer)
    return max(shares, key=lambda text: shares[text])


def _plan_obstacles(costs: EpochCosts) -> dict[str, float]:
    """What a plan cannot save, each with its share of an epoch."""
    batch = costs.batch(costs.step.whole)
    epoch = costs.start + costs.rows // costs.batch_size * batch
    fixed, noted = costs.start + costs.choose, costs.step.plan / batch
    return {
        f"{_percent(fixed / epoch)} of an epoch is paid however little it loads": fixed / epoch,
        f"what the plan notes of a batch takes {_percent(noted)} of its time": noted,
    }


def _gate_obstacles(costs: EpochCosts, layer: str) -> dict[str, float]:
    """What a gate cannot save, each with its share of a batch's time."""
    gate, whole = costs.step.gates[layer], costs.step.whole
    batch = costs.batch(whole)
    step = min(1.0, whole / batch)
    before, load = gate.before / costs.step.forward, costs.load / batch
    own = max(gate.own, _all_rows_cut(gate) - whole) / whole
    # What the line of seconds over rows leaves at no rows, beyond the parts that have names.
    fixed = max(0.0, gated_step(gate, whole, 0.0) / whole - before - own)
    return {
        f"{layer} lies too deep: {_percent(before)} of the forward pass is done by then": (
            before * step
        ),
        f"loading takes {_percent(load)} of a batch's time, and a gate loads all": load,
        f"the gate itself takes {_percent(own)} of a step": own * step,
        f"{_percent(fixed)} of a step is paid however few rows pass": fixed * step,
    }


def _all_rows_cut(gate: GateCosts) -> float:
    """Seconds of a step whose gate copies nearly all rows: choosing is not all that it costs."""
    if len(gate.steps) < 2:
        return 0.0
    (few, fast), (many, slow) = gate.steps[0], gate.steps[-1]
    return slow + (1 - many) * (slow - fast) / (many - few)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
