"""Learn to tell tracks apart: a run without labels, whose vectors an index compares."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from imprint.counts import check_count
from imprint.errors import InvalidValueError
from imprint.runs import check_vacant, claim, write_json, write_tensors
from imprint.searching import sound_vectors
from imprint.stages import Stages
from imprint.training.contrast import contrast
from imprint.training.embedding import STATISTICS, Embedding, build_embedding
from imprint.training.engine import find_device
from imprint.training.results import versions
from imprint.training.settings import Device
from imprint.training.tracks import match_tracks, tracks_of
from imprint.types import ImageSet
from imprint.whitening import whiten_within

__all__ = ["SameTrackSettings", "train_same_track"]

TASK = "same-track"

DIMENSIONS = 384
"""Of the vectors where nobody names them. Fewer tracks than that do not lie apart in as many."""

WITHIN = 20
"""Results of a query that are looked through for its track."""

MISSED = 100
"""Queries that found another track first and are listed, at most."""

AT_ONCE = 64
"""Sounds that run together where nothing is learnt from them."""


@dataclass(frozen=True, kw_only=True)
class SameTrackSettings:
    """How to learn to tell tracks apart.

    Args:
        model: `statistics`, for which only the last map is solved, or a network as for
            `TrainSettings`, which first learns by contrast.
        layer: of the network, where its signature is taken; None for statistics.
        dimensions: of the vectors, as many as there are features if that is less; None for 384
            where more tracks than that are learnt from, and else for as many as there are features.
        shrinkage: of the covariance within tracks, in (0, 1].
        epochs: of a network: as many steps as take each track once.
        batch_size: excerpts a step, two of each track, at least 4.
        lr: highest learning rate of AdamW.
        temperature: of the loss, above 0.
        device: as for `TrainSettings`.
        seed: of weights, order and augmentation.

    Raises:
        InvalidValueError: for a value out of its range.

    Examples:
        >>> SameTrackSettings(batch_size=1)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: batch_size: expected at least 4, got 1
    """

    model: str = STATISTICS
    layer: str | None = None
    dimensions: int | None = None
    shrinkage: float = 0.2
    epochs: int = 8
    batch_size: int = 128
    lr: float = 0.002
    temperature: float = 0.1
    device: Device = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size, 4)
        check_count("epochs", self.epochs)
        self._check("lr", 0 < self.lr < math.inf, "above 0, finite")
        self._check("temperature", 0 < self.temperature < math.inf, "above 0, finite")
        self._check("shrinkage", 0 < self.shrinkage <= 1, "in (0, 1]")
        check_count("dimensions", 1 if self.dimensions is None else self.dimensions)
        plain = self.model != STATISTICS or self.layer is None
        self._check("layer", plain, "none for statistics")

    def _check(self, name: str, holds: bool, expected: str) -> None:  # noqa: FBT001 - the check
        if not holds:
            raise InvalidValueError(f"{name}: expected {expected}, got {getattr(self, name)}")


def train_same_track(
    train: ImageSet,
    test: ImageSet,
    settings: SameTrackSettings,
    *,
    names: Sequence[str] | None = None,
    out: Path | str | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
    on_step: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Embedding, dict[str, Any]]:
    """Learn vectors in which two excerpts of one track lie close, and other tracks apart.

    A network first learns by contrast, which statistics need not. Then the last map is solved for:
    what varies within tracks counts for little in it.

    Args:
        train: sounds `(N, 2, H, T)` in bytes; `groups` are their tracks. Silence is left out here
            and of `test`.
        test: of other tracks, likewise, on which the vectors are judged.
        settings: how.
        names: of the test sounds; None numbers them.
        out: a new or empty folder for `config.json`, `result.json` and `model.safetensors`; None
            writes nothing.
        on_stage: called with the name of each stage as it begins.
        on_step: called after each step with its number, of how many, and the loss.
        note: what else `config.json` is to hold.

    Returns:
        The network, in eval mode on the CPU, and what `result.json` holds.

    Raises:
        ImprintError: for data, settings, model, layer, device or folder that will not do, before
            work begins; for features that are not finite, after it. Nothing is written then.
        MissingExtraError: where a network is to learn without `imprint[audio]`.

    Source: Chen et al. (2020), "A simple framework for contrastive learning", for a projection that
        is dropped afterwards; the rest as `whiten_within`.

    Examples:
        >>> sounds = torch.randint(256, (8, 2, 64, 40), dtype=torch.uint8)
        >>> tracks = torch.arange(8) // 2
        >>> some = ImageSet(sounds, torch.zeros(8, dtype=torch.int64), ("",), groups=tracks)
        >>> network, result = train_same_track(some, some, SameTrackSettings())
        >>> result["dimensions"], network(torch.rand(1, 2, 64, 40)).shape
        (852, torch.Size([1, 852]))
    """
    begun, stages = time.perf_counter(), Stages(on_stage)
    if out is not None:
        check_vacant(Path(out))
    (train, _), (test, names) = _heard(train, "train"), _heard(test, "test", names)
    _check_fit(train, test)
    tracks, device = tracks_of(train, "train"), find_device(settings.device)
    network = _built(train, settings).to(device)
    losses: list[float] = []
    if settings.model != STATISTICS:
        with stages("learn by contrast"):
            losses = contrast(
                network.features, train.images, tracks, settings, device=device, on_step=on_step
            )
    network.eval()
    with stages("solve the last map"):
        _solve(network, train, settings, device)
    with stages("judge"):
        judged = _judged(_run(network, test.images, device), test, names)
    network.cpu()
    result = {
        "command": "train",
        "task": TASK,
        "settings": asdict(settings),
        "tracks": _count(tracks),
        "excerpts": len(train),
        "dimensions": network.dimensions,
        "losses": losses,
        **judged,
        "stage_seconds": stages.seconds,
        "seconds": round(time.perf_counter() - begun, 3),
        "versions": versions(),
    }
    if out is not None:
        shape = train.images.shape[1:]
        _write(claim(Path(out)), network, settings, shape, result=result, note=note)
    return network, result


def _built(train: ImageSet, settings: SameTrackSettings) -> Embedding:
    channels, height, width = train.images.shape[1:]
    shape, own = (channels, height, width), settings
    chosen = DIMENSIONS if _count(tracks_of(train, "train")) > DIMENSIONS else None
    return build_embedding(own.model, shape, own.layer, own.dimensions or chosen, seed=own.seed)


def _solve(
    network: Embedding, train: ImageSet, settings: SameTrackSettings, device: torch.device
) -> None:
    """Set the last map by the features of all sounds, or of all their windows, as they are."""
    tracks = tracks_of(train, "train")
    features = _run(network.features, train.images, device).flatten(0, -2)
    tracks = tracks.repeat_interleave(len(features) // len(tracks))
    if settings.model == STATISTICS:
        heard = ~features.isnan().all(1)
        features, tracks = features[heard], tracks[heard]
    network.take(
        whiten_within(features, tracks, dimensions=network.dimensions, shrinkage=settings.shrinkage)
    )


def _heard(
    part: ImageSet, name: str, names: Sequence[str] | None = None
) -> tuple[ImageSet, list[str]]:
    """All but silence, which is similar to nothing, and the names of what is left."""
    tracks_of(part, name)
    names = [str(row) for row in range(len(part))] if names is None else list(names)
    if len(names) != len(part):
        raise InvalidValueError(f"names: expected {len(part)}, one a sound, got {len(names)}")
    heard = part.images.flatten(1).amax(1) > 0
    if bool(heard.all()):
        return part, names
    return part.taken(heard), [names[row] for row in heard.nonzero()[:, 0].tolist()]


def _judged(vectors: Tensor, test: ImageSet, names: Sequence[str]) -> dict[str, Any]:
    """How well vectors find the same track, beside those that nothing was learnt for."""
    ours, plain = (match_tracks(own, test) for own in (vectors, sound_vectors(test.images)))
    judged: dict[str, Any] = {
        "test_tracks": _count(tracks_of(test, "test")),
        "test_excerpts": len(test),
    }
    for kind, matches in (("", ours), ("untrained_", plain)):
        within = matches.found_within(WITHIN)
        judged[f"{kind}first"] = within[0] if within else None
        judged[f"{kind}first_five"] = within[4] if within else None
        judged[f"{kind}found_within"] = within
    missed = sorted((ours.rank > 1).nonzero()[:, 0].tolist(), key=lambda row: -int(ours.rank[row]))
    judged["missed"] = [
        {
            "query": names[row],
            "found": names[int(ours.nearest[row])],
            "similarity": round(float(ours.similarity[row]), 4),
            "own_similarity": round(float(ours.own[row]), 4),
            "own_rank": int(ours.rank[row]),
        }
        for row in missed[:MISSED]
    ]
    return judged


def _count(tracks: Tensor) -> int:
    return len(tracks.unique())  # type: ignore[no-untyped-call]


def _check_fit(train: ImageSet, test: ImageSet) -> None:
    """Check that there is something to learn, and that both parts are of one kind."""
    tracks = tracks_of(train, "train")
    counts = tracks.unique(return_counts=True)[1]  # type: ignore[no-untyped-call]
    if len(counts) < 2 or int(counts.max()) < 2:
        expected = "excerpts of two tracks, two of one of them, that are not silent"
        raise InvalidValueError(
            f"train: expected {expected}, got {len(tracks)} of {len(counts)} tracks"
        )
    bands, got = train.images.shape[1:3], test.images.shape[1:3]
    if got != bands:
        raise InvalidValueError(f"test: expected images {tuple(bands)}, got {tuple(got)}")


@torch.inference_mode()
def _run(network: torch.nn.Module, images: Tensor, device: torch.device) -> Tensor:
    """What a network gives for images in bytes, on the CPU."""
    batches = torch.split(images, AT_ONCE)
    return torch.cat([network(batch.to(device).float() / 255).float().cpu() for batch in batches])


def _write(
    folder: Path,
    network: Embedding,
    settings: SameTrackSettings,
    shape: Sequence[int],
    *,
    result: Mapping[str, Any],
    note: Mapping[str, Any],
) -> None:
    """Write what was asked, the weights, then the result: all once there is something to keep."""
    asked = {"command": "train", "task": TASK, **asdict(settings)}
    write_json(folder / "config.json", {**asked, **note})
    about: dict[str, Any] = {"model": settings.model, "task": TASK, "layer": settings.layer}
    about |= {"classes": [], "dimensions": result["dimensions"]}
    about |= {"mean": [0.0, 0.0], "std": [1.0, 1.0], "shape": list(shape)}
    write_tensors(folder / "model.safetensors", network.state_dict(), about)
    write_json(folder / "result.json", result)
