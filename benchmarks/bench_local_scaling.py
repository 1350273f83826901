"""What local scaling finds in an index of music, and what it costs.

A map is learnt from FOLDER alone, by `imprint train --task same-track`; nothing is learnt from the
excerpts of `IMPRINT_DATA`, which are then asked for in an index, each as a row of it and as if it
were new: its row is then neither found nor anyone's neighbour.

    IMPRINT_DATA=../shared/data python benchmarks/bench_local_scaling.py FOLDER

FOLDER holds more music, as for `bench_same_track.py --more`.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from bench_same_track import learnt_from, vectors_of
from record import record
from torch import Tensor

from imprint import Gallery
from imprint.data import AudioOptions, survey
from imprint.searching import Found
from imprint.training import SameTrackSettings, train_same_track
from imprint.types import DataPart

K = 20
"""Rows that are asked for: at least five of other tracks."""


def indexed(part: DataPart, vectors: dict[str, Tensor], place: str) -> Gallery:
    """An index of the excerpts' vectors, which knows their tracks and composers."""
    columns = [part.metadata[name] for name in ("track", "composer")]
    cells = {
        name: {"track": str(track), "composer": composer or None}
        for name, track, composer in zip(vectors, *columns, strict=True)
    }
    gallery = Gallery(place)
    gallery.add_signatures(torch.stack([*vectors.values()]), [*vectors], metadata=cells)
    return gallery


def asked(gallery: Gallery, vectors: dict[str, Tensor], *, scaled: bool, new: bool) -> Any:
    """What each excerpt finds, and the milliseconds that it takes."""
    found, milliseconds = {}, []
    for name, vector in vectors.items():
        where = f"id != '{name}'" if new else None
        query = vector if new else name
        begun = time.perf_counter()
        found[name] = gallery.search(query, k=K, where=where, local_scaling=scaled)
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return found, median(milliseconds)


def judged(gallery: Gallery, found: dict[str, list[Found]]) -> dict[str, float]:
    """How often its track is first, its composer's share among others, and how even results are."""
    rows = {row.id: row.metadata for row in gallery.rows()}
    tracks = Counter(own["track"] for own in rows.values())
    first, composer, nearby = [], [], Counter[str]()
    for name, near in found.items():
        own = rows[name]
        if tracks[own["track"]] > 1:
            first.append(near[0].metadata["track"] == own["track"])
        others = [row for row in near if row.metadata["track"] != own["track"]][:5]
        nearby.update(row.id for row in others)
        if own.get("composer"):
            same = [row.metadata.get("composer") == own["composer"] for row in others]
            composer.append(mean(same))
    return {
        "first": mean(first),
        "composer": mean(composer),
        "largest_hub": max(nearby.values()),
        "never_found": 1 - len(nearby) / len(rows),
    }


def main() -> None:
    """Measure, and write `results/local_scaling.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("more", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--mels", type=int, default=128)
    given = parser.parse_args()
    audio = AudioOptions(seconds=15, mels=given.mels)
    part = survey(Path(os.environ["IMPRINT_DATA"]) / "music", audio=audio)["all"]
    more = [next(iter(survey(own, audio=audio).values())) for own in given.more]
    train = learnt_from(part, more, list(set(part.metadata["collection"])))
    network, _ = train_same_track(train, part.images, SameTrackSettings())
    each = {f"{place:03}": own for place, own in enumerate(vectors_of(network, part))}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        gallery = indexed(part, each, f"{place}/music.lance")
        for new in (False, True):
            for scaled in (False, True):
                found, milliseconds = asked(gallery, each, scaled=scaled, new=new)
                shown = judged(gallery, found) | {"milliseconds": milliseconds}
                rows.append({"new": new, "local_scaling": scaled, **shown})
                print(rows[-1], flush=True)
    figures = {"excerpts": len(each), "learnt_from": len(train.images), "rows": rows}
    print(record("local_scaling", figures))


if __name__ == "__main__":
    main()
