"""Music found by vectors that were learnt from other collections, every collection once.

Each collection in turn is left out; from the others' tracks, without their labels, a run of
`imprint train --task same-track` is learnt, and the left-out collection's excerpts are looked for
among all excerpts. Beside it: MFCC and chroma as they are, with the usual means and deviations; the
statistics of whole sounds without a map; and, without more music, a run that was told the tracks
wrong: excerpts stay whole, and are dealt out to tracks by chance. The run of the largest left-out
collection then serves the copies and the clock of `bench_music.py`.

    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py
    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py --mels 128
    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py --more FOLDER
    IMPRINT_DATA=../shared/data python benchmarks/bench_same_track.py --more FOLDER --unheard

FOLDER holds more music, such as `game_music.sh` fetches: a folder for each collection, named as the
data name it; files in the left-out collection's folder have no part in its run. With `--unheard`
all collections are left out together, and what is learnt comes from FOLDER alone: nothing was
learnt from any excerpt that another is looked for among.
"""

import argparse
import os
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from bench_music import ASKED, EACH, copied, timed
from record import record
from torch import Tensor, nn

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


def cosines(vectors: Tensor) -> Tensor:
    """The similarity of each two excerpts; none is similar to itself."""
    rows = torch.nn.functional.normalize(vectors, dim=1)
    return (rows @ rows.T).fill_diagonal_(-torch.inf)


def ranked(similarities: Tensor, part: DataPart, asked: list[int]) -> dict[str, list[float]]:
    """Of each excerpt asked for: is its track first, is it among five, its composer's share."""
    tracks, composers = part.metadata["track"], part.metadata["composer"]
    found: dict[str, list[float]] = {"first": [], "first_five": [], "composer": []}
    for own in asked:
        near = similarities[own].argsort(descending=True).tolist()[:-1]
        same = [tracks[other] == tracks[own] for other in near]
        if any(same):
            found["first"].append(float(same[0]))
            found["first_five"].append(float(any(same[:5])))
        if composers[own]:
            others = [other for other in near if tracks[other] != tracks[own]][:5]
            found["composer"].append(mean(composers[other] == composers[own] for other in others))
    return found


def learnt_from(part: DataPart, more: list[DataPart], held: list[str]) -> ImageSet:
    """All excerpts but those of some collections; tracks are numbered through."""
    images, tracks, begin = [], [], 0
    for own, names in [(part, part.metadata["collection"]), *((m, _labels(m)) for m in more)]:
        keep = torch.tensor([name not in held for name in names])
        assert own.images.groups is not None
        images.append(own.images.images[keep])
        tracks.append(own.images.groups[keep] + begin)
        begin += int(own.images.groups.max()) + 1
    joined = torch.cat(images)
    labels = torch.zeros(len(joined), dtype=torch.int64)
    return ImageSet(joined, labels, ("",), groups=torch.cat(tracks))


def mixed(sounds: ImageSet) -> ImageSet:
    """The same sounds, each said to be of a track that was drawn among the tracks of all."""
    assert sounds.groups is not None
    order = torch.randperm(len(sounds), generator=torch.Generator().manual_seed(0))
    return replace(sounds, groups=sounds.groups[order])


def _labels(part: DataPart) -> list[str]:
    return [part.images.class_names[label] for label in part.images.labels.tolist()]


@torch.inference_mode()
def vectors_of(network: nn.Module, part: DataPart) -> Tensor:
    """What a run gives for all excerpts."""
    vectors: Tensor = network(part.images.images.float() / 255)
    return vectors


def left_out(
    part: DataPart,
    more: list[DataPart],
    settings: SameTrackSettings,
    runs: Path,
    turns: dict[str, list[str]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """In turns, some collections out: the figures of each way over all, and of each turn."""
    collections = part.metadata["collection"]
    ways: dict[str, dict[str, list[float]]] = {}
    each: dict[str, Any] = {}
    for turn, held in turns.items():
        asked = [row for row, name in enumerate(collections) if name in held]
        train = learnt_from(part, more, held)
        test = part.images.taken(torch.tensor(asked))
        network, result = train_same_track(train, test, settings, out=runs / turn)
        vectors = vectors_of(network, part)
        shown = {
            "learnt": cosines(vectors),
            "statistics": cosines(standardised(part.images.images, train.images)),
            "mfcc_chroma": cosines(sound_vectors(part.images.images)),
        }
        if not more:
            wrong, _ = train_same_track(mixed(train), test, settings)
            shown["wrong_tracks"] = cosines(vectors_of(wrong, part))
        own = {name: ranked(rows, part, asked) for name, rows in shown.items()}
        each[turn] = {name: mean(found["first"]) for name, found in own.items()}
        each[turn] |= {"excerpts": len(asked), "learnt_from": result["excerpts"]}
        each[turn] |= {"learnt_from_tracks": result["tracks"], "seconds": result["seconds"]}
        print(turn, each[turn], flush=True)
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
    parser.add_argument("--unheard", action="store_true", help="Learn from --more alone.")
    parser.add_argument("--mels", type=int, default=64)
    parser.add_argument("--model", default="statistics")
    parser.add_argument("--layer")
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    audio = AudioOptions(seconds=15, mels=given.mels)
    music = Path(os.environ["IMPRINT_DATA"]) / "music"
    part = survey(music, audio=audio)["all"]
    more = [next(iter(survey(own, audio=audio).values())) for own in given.more]
    collections = Counter(part.metadata["collection"])
    largest = "all" if given.unheard else collections.most_common(1)[0][0]
    turns = {"all": list(collections)} if given.unheard else {c: [c] for c in sorted(collections)}
    settings = SameTrackSettings(model=given.model, layer=given.layer, epochs=given.epochs)
    files = sorted(music.glob("*.ogg"))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        figures, each = left_out(part, more, settings, runs, turns)
        print(figures, flush=True)
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
    name = "same_track" + "_more" * bool(more) + "_unheard" * given.unheard
    print(record(name if given.mels == 64 else f"{name}_{given.mels}_bands", figures))


if __name__ == "__main__":
    main()
