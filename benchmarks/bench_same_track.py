"""Music found by vectors that were learnt from other collections, every collection once.

Each collection in turn is left out; from the others' tracks, without their labels, a run of
`imprint train --task same-track` is learnt, and the left-out collection's excerpts are looked for
among all excerpts. Beside it: MFCC and chroma as they are, with the usual means and deviations, and
the statistics of sound before the last map is solved. The run of the largest left-out collection
then serves the copies and the clock of `bench_music.py`.

    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py
    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py --mels 128
    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py --more FOLDER

FOLDER holds more music, such as `game_music.sh` fetches: a folder for each collection, named as the
data name it; files in the left-out collection's folder have no part in its run.
"""

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from bench_music import ASKED, EACH, copied, timed
from record import record
from torch import Tensor

from imprint import Gallery
from imprint.data import AudioOptions, survey
from imprint.searching import sound_vectors
from imprint.sound_statistics import sound_statistics
from imprint.training import SameTrackSettings, load_trained, train_same_track
from imprint.types import DataPart, ImageSet

TO_REACH = {"first": 0.80, "composer": 0.20, "milliseconds": 150}


def standardised(images: Tensor, rest: Tensor) -> Tensor:
    """Statistics of sounds in the units of other collections, of which nothing else is learnt."""
    features, usual = sound_statistics(images), sound_statistics(rest)
    deviation = usual.std(0)
    return (features - usual.mean(0)) / deviation.where(deviation > 1e-6, 1.0)


def ranked(vectors: Tensor, part: DataPart, asked: list[int]) -> dict[str, list[float]]:
    """Of each excerpt asked for: is its track first, is it among five, its composer's share."""
    rows = torch.nn.functional.normalize(vectors, dim=1)
    tracks, composers = part.metadata["track"], part.metadata["composer"]
    found: dict[str, list[float]] = {"first": [], "first_five": [], "composer": []}
    for own in asked:
        similar = rows @ rows[own]
        similar[own] = -torch.inf
        near = similar.argsort(descending=True).tolist()[:-1]
        same = [tracks[other] == tracks[own] for other in near]
        if any(same):
            found["first"].append(float(same[0]))
            found["first_five"].append(float(any(same[:5])))
        if composers[own]:
            others = [other for other in near if tracks[other] != tracks[own]][:5]
            found["composer"].append(mean(composers[other] == composers[own] for other in others))
    return found


def learnt_from(part: DataPart, more: list[DataPart], held: str) -> ImageSet:
    """All excerpts but those of a collection; tracks are numbered through."""
    images, tracks, begin = [], [], 0
    for own, names in [(part, part.metadata["collection"]), *((m, _labels(m)) for m in more)]:
        keep = torch.tensor([name != held for name in names])
        assert own.images.groups is not None
        images.append(own.images.images[keep])
        tracks.append(own.images.groups[keep] + begin)
        begin += int(own.images.groups.max()) + 1
    joined = torch.cat(images)
    labels = torch.zeros(len(joined), dtype=torch.int64)
    return ImageSet(joined, labels, ("",), groups=torch.cat(tracks))


def _labels(part: DataPart) -> list[str]:
    return [part.images.class_names[label] for label in part.images.labels.tolist()]


def left_out(
    part: DataPart, more: list[DataPart], settings: SameTrackSettings, runs: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every collection once: the figures of each way over all, and of each collection."""
    collections = part.metadata["collection"]
    ways: dict[str, dict[str, list[float]]] = {}
    each: dict[str, Any] = {}
    for held in sorted(set(collections)):
        asked = [row for row, name in enumerate(collections) if name == held]
        train = learnt_from(part, more, held)
        test = part.images.taken(torch.tensor(asked))
        network, result = train_same_track(train, test, settings, out=runs / held)
        with torch.inference_mode():
            vectors = network(part.images.images.float() / 255)
        shown = {
            "learnt": vectors,
            "statistics": standardised(part.images.images, train.images),
            "mfcc_chroma": sound_vectors(part.images.images),
        }
        own = {name: ranked(rows, part, asked) for name, rows in shown.items()}
        each[held] = {name: mean(found["first"]) for name, found in own.items()}
        each[held] |= {"excerpts": len(asked), "learnt_from": result["excerpts"]}
        each[held] |= {"learnt_from_tracks": result["tracks"], "seconds": result["seconds"]}
        print(held, each[held], flush=True)
        for name, found in own.items():
            for key, values in found.items():
                ways.setdefault(name, {}).setdefault(key, []).extend(values)
    figures = {
        name: {key: mean(values) for key, values in found.items()} for name, found in ways.items()
    }
    return figures, each


def main() -> None:
    """Measure all, and write `results/same_track.json`, or `same_track_more.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="Folders of more music.")
    parser.add_argument("--mels", type=int, default=64)
    parser.add_argument("--model", default="statistics")
    parser.add_argument("--layer")
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    audio = AudioOptions(seconds=15, mels=given.mels)
    music = Path(os.environ["IMPRINT_DATA"]) / "music"
    part = survey(music, audio=audio)["all"]
    more = [next(iter(survey(own, audio=audio).values())) for own in given.more]
    settings = SameTrackSettings(model=given.model, layer=given.layer, epochs=given.epochs)
    files = sorted(music.glob("*.ogg"))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        figures, each = left_out(part, more, settings, runs)
        print(figures, flush=True)
        largest = Counter(part.metadata["collection"]).most_common(1)[0][0]
        trained = load_trained(runs / largest, answers=False)
        gallery = Gallery(
            runs / "music.lance",
            model=trained.model,
            layer=trained.layer,
            normalisation=trained.normalisation,
            shape=trained.shape,
            audio=audio,
        )
        gallery.add(music)
        figures["timed"] = timed(gallery, files[:: len(files) // ASKED][:ASKED])
        print(figures["timed"], flush=True)
        figures["copied"] = copied(gallery, files[::EACH], runs)
    figures |= {"model": given.model, "collections": each, "to_reach": TO_REACH}
    figures["more_excerpts"] = sum(len(own.images) for own in more)
    name = "same_track_more" if more else "same_track"
    print(record(name if given.mels == 64 else f"{name}_{given.mels}_bands", figures))


if __name__ == "__main__":
    main()
