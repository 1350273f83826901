"""Music found by the classical signatures, which nothing was trained for: what trained ones beat.

How often the other excerpt of a track is first and among the first five, the share of the five
nearest other tracks by the same composer, whether copies rank as their originals do (made by
ffmpeg: other codecs and bit rates, levels, sample rates), and how long a recommendation takes.

    IMPRINT_DATA=../shared/data python benchmarks/bench_music.py
    IMPRINT_DATA=../shared/data python benchmarks/bench_music.py --usual    # for usual_sound.py
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

import torch
import torch.nn.functional as F
from record import record
from torch import Tensor

from imprint import Gallery
from imprint.data import AudioOptions, survey
from imprint.errors import DamagedFileError
from imprint.searching import sound_features, sound_vectors
from imprint.types import DataPart

OPUS = ["-ar", "48000", "-f", "ogg", "-page_duration", "200000"]
"""As ffmpeg's `ogg`, in short pages: of what it writes as `opus`, libsndfile 1.2 refuses many."""

COPIES = {
    "MP3, 128 kbit/s": ["mp3", "-b:a", "128k"],
    "MP3, 48 kbit/s": ["mp3", "-b:a", "48k"],
    "Opus, 96 kbit/s": ["opus", "-b:a", "96k", *OPUS],
    "Opus, 32 kbit/s": ["opus", "-b:a", "32k", *OPUS],
    "12 dB louder, in floats": ["wav", "-af", "volume=12dB", "-c:a", "pcm_f32le"],
    "12 dB quieter": ["wav", "-af", "volume=-12dB"],
    "12 dB quieter, MP3, 64 kbit/s": ["mp3", "-af", "volume=-12dB", "-b:a", "64k"],
    "resampled to 44.1 kHz": ["flac", "-ar", "44100"],
    "resampled to 16 kHz": ["flac", "-ar", "16000"],
    "resampled to 8 kHz": ["flac", "-ar", "8000"],
}
EACH = 8
"""Of so many excerpts one is copied."""

ASKED = 60
"""Recommendations that are timed."""

TO_REACH = {"first": 0.80, "composer": 0.20, "milliseconds": 150}


def ranked(vectors: Tensor, part: DataPart) -> dict[str, Any]:
    """How often the same track comes first, and the share of the same composer."""
    rows = F.normalize(vectors, dim=1)
    order = (rows @ rows.T).fill_diagonal_(-2).argsort(1, descending=True).tolist()
    tracks, composers = part.metadata["track"], part.metadata["composer"]
    first, five, composer = [], [], []
    for own, near in enumerate(order):
        same = [tracks[other] == tracks[own] for other in near[:-1]]
        if any(same):
            first.append(same[0])
            five.append(any(same[:5]))
        if composers[own]:
            others = [other for other in near[:-1] if tracks[other] != tracks[own]][:5]
            composer.append(mean(composers[other] == composers[own] for other in others))
    return {
        "queries": len(first),
        "first": mean(first),
        "first_five": mean(five),
        "composer_queries": len(composer),
        "composer": mean(composer),
    }


def unseen(part: DataPart) -> dict[str, Any]:
    """Likewise, each collection's excerpts standardised by the others' means and deviations."""
    features = sound_features(part.images.images)
    collections = part.metadata["collection"]
    tracks, found = part.metadata["track"], []
    for name in sorted(set(collections)):
        own = torch.tensor([collection == name for collection in collections])
        rest = features[~own]
        rows = F.normalize((features - rest.mean(0)) / rest.std(0), dim=1)
        order = (rows @ rows.T).fill_diagonal_(-2).argsort(1, descending=True)
        for place in own.nonzero()[:, 0].tolist():
            same = [tracks[other] == tracks[place] for other in order[place, :-1].tolist()]
            if any(same):
                found.append((same[0], any(same[:5])))
    return {"first": mean(own[0] for own in found), "first_five": mean(own[1] for own in found)}


def copied(gallery: Gallery, files: list[Path], place: Path) -> dict[str, Any]:
    """How often a copy has the first result of its original, and how much of its first five."""
    plain = {file: [own.id for own in gallery.search(file.name, k=5)] for file in files}
    figures = {}
    for number, (kind, (suffix, *options)) in enumerate(COPIES.items()):
        itself, first, five, unreadable = [], [], [], []
        for file in files:
            copy = place / f"{number}-{file.stem}.{suffix}"
            command = ["ffmpeg", "-v", "error", "-i", str(file), *options, str(copy)]
            subprocess.run(command, check=True)
            try:
                found = [own.id for own in gallery.search(copy, k=6)]
            except DamagedFileError as error:  # libsndfile refuses some that ffmpeg writes
                unreadable.append(str(error))
                continue
            others = [own for own in found if own != file.name][:5]
            itself.append(found[0] == file.name)
            first.append(others[0] == plain[file][0])
            five.append(len(set(others) & set(plain[file])) / 5)
            copy.unlink()
        figures[kind] = {"itself": mean(itself), "first": mean(first), "five": mean(five)}
        figures[kind] |= {"copies": len(first), "unreadable": len(unreadable)}
        print(kind, figures[kind], flush=True)
    return figures


def timed(gallery: Gallery, files: list[Path]) -> dict[str, Any]:
    """Milliseconds of a recommendation, from a file of 15 s to ten results with their reasons."""
    milliseconds = []
    for file, other in zip(files, files[1:] + files[:1], strict=True):
        begun = time.perf_counter()
        found = gallery.recommend([file], [other.name], k=10, spread=0.3)
        milliseconds.append(1000 * (time.perf_counter() - begun))
        assert len(found) == 10
    warm = milliseconds[5:]
    return {
        "milliseconds": median(warm),
        "milliseconds_p90": quantiles(warm, n=10)[-1],
        "milliseconds_first": milliseconds[0],
        "load_average": os.getloadavg()[0],
        "asked": len(warm),
    }


def main() -> None:
    """Measure all, and write `results/music.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usual", action="store_true", help="print means and deviations")
    given = parser.parse_args()
    music = Path(os.environ["IMPRINT_DATA"]) / "music"
    part = survey(music, audio=AudioOptions(seconds=15))["all"]
    if given.usual:
        features = sound_features(part.images.images)
        for name, own in (("MEAN", features.mean(0)), ("DEVIATION", features.std(0))):
            print(name, [round(value, 4) for value in own.tolist()])
        return
    figures: dict[str, Any] = {"excerpts": len(part.images), "to_reach": TO_REACH}
    figures["tracks"] = len(set(part.metadata["track"]))
    figures["ranked"] = ranked(sound_vectors(part.images.images), part)
    figures["unseen"] = unseen(part)
    print(figures, flush=True)
    files = sorted(music.glob("*.ogg"))
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery(f"{folder}/music.lance", audio=AudioOptions())
        begun = time.perf_counter()
        gallery.add(music)
        figures["index_seconds"] = time.perf_counter() - begun
        figures["timed"] = timed(gallery, files[:: len(files) // ASKED][:ASKED])
        print(figures["timed"], flush=True)
        figures["copied_excerpts"] = len(files[::EACH])
        figures["copied"] = copied(gallery, files[::EACH], Path(folder))
    print(record("music", figures))


if __name__ == "__main__":
    main()
