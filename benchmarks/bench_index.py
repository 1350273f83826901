"""The index at 10⁶ signatures, and a folder of 10,000 images: seconds, memory, recall.

    python benchmarks/bench_index.py

Each part runs in a process of its own, whose peak memory is its own. Queries are drawn like the
rows and are not among them; recall is of the ten nearest, against all rows compared in NumPy. The
queries are asked in rounds, at a higher priority where the system allows it, since others may be
using the machine; the quietest round counts, and the others and the machine's load are recorded
beside it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from record import record

from imprint import Gallery, load
from imprint.models import build_model
from imprint.searching.signing import Signer

TO_REACH = {
    "build_seconds": 180,
    "peak_megabytes": 2000,
    "query_milliseconds": 5,
    "recall": 0.95,
    "file_milliseconds": 1,
}
DIMENSIONS, AT_ONCE, QUERIES, K, ROUNDS = 128, 20_000, 200, 10, 7
CENTRES, DIRECTIONS = 1000, 16

Rows = npt.NDArray[np.float32]


def clustered(count: int, draw: np.random.Generator) -> Rows:
    """Rows around 1,000 centres, which vary in 16 directions of each centre's own, and noise."""
    fixed = np.random.default_rng(0)
    centres = fixed.normal(size=(CENTRES, DIMENSIONS)).astype(np.float32)
    axes = fixed.normal(size=(CENTRES, DIRECTIONS, DIMENSIONS)).astype(np.float32)
    own = draw.integers(CENTRES, size=count)
    rows = 0.1 * draw.normal(size=(count, DIMENSIONS)).astype(np.float32)
    for number in np.unique(own):
        here = own == number
        along = draw.normal(size=(int(here.sum()), DIRECTIONS)).astype(np.float32)
        rows[here] += centres[number] + 0.7 / DIRECTIONS**0.5 * (along @ axes[number])
    return rows


def isotropic(count: int, draw: np.random.Generator) -> Rows:
    """Rows without any structure: the worst that an index may meet, and no signature is like it."""
    return draw.normal(size=(count, DIMENSIONS)).astype(np.float32)


KINDS: dict[str, Callable[[int, np.random.Generator], Rows]] = {
    "clustered": clustered,
    "isotropic": isotropic,
}


def batches(kind: str, count: int) -> Iterator[tuple[int, Rows]]:
    """All rows, some at a time, with the number of the first."""
    for start in range(0, count, AT_ONCE):
        yield start, KINDS[kind](min(AT_ONCE, count - start), np.random.default_rng(start + 1))


def peak() -> float:
    """Megabytes that this process took at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def build(kind: str, count: int, place: Path) -> dict[str, Any]:
    """Write all rows and arrange them."""
    alone, drawing, begun = peak(), 0.0, time.perf_counter()
    gallery = Gallery(place)
    for start, rows in batches(kind, count):
        drawn = time.perf_counter()
        names = [f"{number:07}" for number in range(start, start + len(rows))]
        gallery.add_signatures(torch.from_numpy(rows), names)
        drawing += time.perf_counter() - drawn
    written = time.perf_counter()
    gallery.compact()
    arranged = time.perf_counter() - written
    return {
        "write_seconds": drawing,
        "arrange_seconds": arranged,
        "build_seconds": drawing + arranged,
        "with_drawing_seconds": time.perf_counter() - begun,
        "peak_megabytes": peak(),
        "python_and_torch_megabytes": alone,
        "disk_megabytes": sum(f.stat().st_size for f in place.rglob("*") if f.is_file()) / 1e6,
    }


def exact(kind: str, count: int, queries: Rows) -> npt.NDArray[np.int64]:
    """The nearest rows of each query, by comparing all."""
    best = np.full((len(queries), K), -2.0)
    places = np.zeros((len(queries), K), np.int64)
    for start, rows in batches(kind, count):
        similarity = queries @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
        top = np.argpartition(-similarity, K, 1)[:, :K]
        both = np.concatenate([best, np.take_along_axis(similarity, top, 1)], 1)
        numbers = np.concatenate([places, top + start], 1)
        order = np.argsort(-both, 1)[:, :K]
        best, places = (np.take_along_axis(own, order, 1) for own in (both, numbers))
    return places


def ask(kind: str, count: int, place: Path) -> dict[str, Any]:
    """Ask one query after the other, after a first round that fills what is cached."""
    queries = KINDS[kind](QUERIES, np.random.default_rng(-1 % 2**32))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    nearest = exact(kind, count, queries)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    gallery = Gallery(place)  # its threads have the priority of the one that starts them
    rounds = [_round(gallery, queries, nearest) for _ in range(ROUNDS)]
    quietest = min(rounds[1:], key=lambda own: median(own["milliseconds"]))
    return {
        "query_milliseconds": median(quietest["milliseconds"]),
        "query_milliseconds_p90": quantiles(quietest["milliseconds"], n=10)[-1],
        "query_milliseconds_rounds": [median(own["milliseconds"]) for own in rounds],
        "recall": quietest["recall"],
        "load_average": os.getloadavg()[0],
        "queries": QUERIES,
    }


def _round(gallery: Gallery, queries: Rows, nearest: npt.NDArray[np.int64]) -> dict[str, Any]:
    milliseconds, found = [], 0
    for query, places in zip(torch.from_numpy(queries), nearest, strict=True):
        begun = time.perf_counter()
        result = gallery.search(query, k=K)
        milliseconds.append(1000 * (time.perf_counter() - begun))
        found += len({int(own.id) for own in result} & set(places.tolist()))
    return {"milliseconds": milliseconds, "recall": found / nearest.size}


def files(form: str, count: int, place: Path) -> dict[str, Any]:
    """Index a folder of images, and again where nothing has changed."""
    images = load("mnist").train.images[:count]
    side = 28 if form == "png" else 128
    for number, image in enumerate(images):
        path = place / "images" / f"{number % 10}" / f"{number:05}.{form}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = Image.fromarray(image[0].numpy()).resize((side, side))
        (shown if form == "png" else shown.convert("RGB")).save(path)
    model, seconds = build_model("conv4", (1 if form == "png" else 3, side, side), 10), [0.0]
    gallery = Gallery(place / "index.lance", model=model, layer="block1")
    seen = [time.perf_counter()]
    with _timed(seconds):
        gallery.add(place / "images")
        seen.append(time.perf_counter())
        forward = seconds[0]
        gallery.add(place / "images")
        seen.append(time.perf_counter())
    whole, again = seen[1] - seen[0], seen[2] - seen[1]
    return {
        "files": count,
        "side": side,
        "milliseconds_a_file": 1000 * (whole - forward) / count,
        "forward_milliseconds_a_file": 1000 * forward / count,
        "again_milliseconds_a_file": 1000 * again / count,
    }


class _timed:  # noqa: N801 - used as a function is
    """Count the seconds that signatures take while the block runs."""

    def __init__(self, seconds: list[float]) -> None:
        self._seconds, self._call = seconds, Signer.__call__

    def __enter__(self) -> None:
        def call(signer: Signer, images: torch.Tensor) -> torch.Tensor:
            begun = time.perf_counter()
            try:
                return self._call(signer, images)
            finally:
                self._seconds[0] += time.perf_counter() - begun

        Signer.__call__ = call  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        Signer.__call__ = self._call  # type: ignore[method-assign]


PARTS: dict[str, Callable[[str, int, Path], dict[str, Any]]] = {
    "build": build,
    "ask": ask,
    "files": files,
}


def apart(part: str, kind: str, count: int, place: Path) -> dict[str, Any]:
    """Run a part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--kind", kind, "--rows", str(count)]
    done = subprocess.run([*command, "--place", str(place)], check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(part, kind, figures, flush=True)
    return figures


def main() -> None:
    """Measure all, or one part for the process that asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--kind", default="clustered")
    parser.add_argument("--place", type=Path)
    parser.add_argument("--dry", action="store_true", help="write no results")
    given = parser.parse_args()
    if given.part:
        print(json.dumps(PARTS[given.part](given.kind, given.rows, given.place)))
        return
    figures: dict[str, Any] = {"rows": given.rows, "dimensions": DIMENSIONS, "to_reach": TO_REACH}
    figures["data"], figures["folders"] = {}, {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "index.lance"
            built = apart("build", kind, given.rows, place)
            figures["data"][kind] = built | apart("ask", kind, given.rows, place)
    for form in ("png", "jpeg"):
        with tempfile.TemporaryDirectory() as folder:
            figures["folders"][form] = apart("files", form, given.files, Path(folder))
    if not given.dry:
        print(record("index", figures))


if __name__ == "__main__":
    main()
