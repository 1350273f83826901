"""Audio to images: seconds and memory for 30 hours, and what of a copy moves its image.

Each job runs in a process of its own; its seconds are those of the whole process, start of Python
included, its processor seconds are summed over cores, which a busy machine lengthens less, and its
memory is the most that it held, mapped files among it. Files are repeated until
there are as many hours as asked for; images are written to a new cache.

    IMPRINT_DATA=../shared/data python benchmarks/bench_audio.py
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOURS = 30.0
TRACK = 180.0
"""Seconds of a made track."""

CODINGS = {"ogg": {}, "flac": {}, "mp3": {}, "opus": {"format": "OGG", "subtype": "OPUS"}}
COPIES = 48
"""Excerpts of which copies are made."""


def run_apart(*arguments: str) -> dict[str, Any]:
    """Run this script in a process of its own; what it printed last, as JSON."""
    load, begin = os.getloadavg()[0], time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--apart", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - begin
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": seconds, "load_before": load}


def speed(folder: str, hours: str) -> dict[str, Any]:
    """Make the images of a folder's files, repeated until they last so many hours."""
    from imprint.data import AudioOptions
    from imprint.data.audio_cache import sound_images
    from imprint.data.audio_files import files_side_by_side
    from imprint.data.sounds import read_sound_header

    files = files_side_by_side(Path(folder))
    own = sum(read_sound_header(file.path).seconds for file in files) / 3600
    repeated = (files * (int(float(hours) / own) + 1))[
        : max(1, round(float(hours) / own * len(files)))
    ]
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        found = sound_images(repeated, AudioOptions(), cache=Path(cache))
        making = time.perf_counter() - begin
        again = time.perf_counter()
        sound_images(repeated, AudioOptions(), cache=Path(cache))
        again = time.perf_counter() - again
    return {
        "hours": len(repeated) / len(files) * own,
        "images": len(found.images),
        "megabytes_of_images": found.images.numel() / 1e6,
        "making_seconds": making,
        "mapping_seconds": again,
        "processor_seconds": time.process_time(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def make_tracks(folder: Path, suffix: str) -> Path:
    """Write four tracks of chords, beats and noise, stereo at 44.1 kHz (opus: 48)."""
    import numpy as np
    import soundfile

    rate = 48_000 if suffix == "opus" else 44_100
    time_ = np.arange(int(TRACK * rate)) / rate
    (folder / suffix).mkdir()
    for number in range(4):
        draw = np.random.default_rng(number)
        chords = np.repeat(draw.choice([220, 262, 294, 330, 392], 90), 2 * rate)[: len(time_)]
        chord = sum(np.sin(2 * np.pi * chords * ratio * time_) for ratio in (1, 1.25, 1.5, 4))
        beat = np.exp(-8 * (time_ * 2 % 1)) * draw.standard_normal(len(time_))
        both = 0.1 * chord[:, None] + 0.2 * beat[:, None] * [1, 0.6]
        path = folder / suffix / f"{number}.{suffix}"
        with soundfile.SoundFile(path, "w", rate, 2, **CODINGS[suffix]) as file:
            for block in np.array_split(both, 200):  # libsndfile crashes on a whole track of Vorbis
                file.write(block)
    return folder / suffix


def copies(folder: str) -> dict[str, Any]:
    """How far copies of excerpts lie from them, beside how far tracks lie from one another."""
    import soundfile
    import soxr

    kinds: dict[str, Callable[[Any, int, Path], None]] = {
        "8 times quieter": lambda y, rate, path: _write(path, y / 8, rate),
        "resampled to 16 kHz": lambda y, rate, path: _write(
            path, soxr.resample(y, rate, 16_000), 16_000
        ),
        "resampled to 44.1 kHz": lambda y, rate, path: _write(
            path, soxr.resample(y, rate, 44_100), 44_100
        ),
        "as MP3, half as loud": lambda y, rate, path: soundfile.write(
            path.with_suffix(".mp3"), y / 2, rate
        ),
        "as Opus": lambda y, rate, path: soundfile.write(
            path.with_suffix(".opus"),
            soxr.resample(y, rate, 48_000),
            48_000,
            format="OGG",
            subtype="OPUS",
        ),
    }
    files = sorted(Path(folder).glob("*.ogg"))
    chosen = files[:: max(1, len(files) // COPIES)][:COPIES]
    with tempfile.TemporaryDirectory() as place:
        plain = _images(chosen, lambda y, rate, path: _write(path, y, rate), Path(place) / "plain")
        spread = float((plain[1:] - plain[:-1]).abs().mean())
        moved = {
            kind: float((_images(chosen, make, Path(place) / kind) - plain).abs().mean())
            for kind, make in kinds.items()
        }
    return {"excerpts": len(chosen), "between_tracks": spread, "moved": moved}


def _write(path: Path, samples: Any, rate: int) -> None:
    import soundfile

    soundfile.write(path, samples, rate, subtype="PCM_24")


def _images(files: list[Path], make: Callable[[Any, int, Path], None], place: Path) -> Any:
    """Images of copies, in [0, 1]."""
    import soundfile

    from imprint.data import AudioOptions, survey

    place.mkdir()
    for number, file in enumerate(files):
        make(*soundfile.read(file), place / f"{number:03}.flac")
    return survey(place, audio=AudioOptions(seconds=14.9))["all"].images.images.float() / 255


def main() -> None:
    """Measure all of it, one after the other, and write `results/audio.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--made-hours", type=float, default=HOURS / 10)
    parser.add_argument("--apart", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["IMPRINT_CACHE"] = ""
    if options.apart:
        kind, *arguments = options.apart
        print(json.dumps({"speed": speed, "copies": copies}[kind](*arguments)))
        return
    music = Path(os.environ["IMPRINT_DATA"]) / "music"
    figures: dict[str, Any] = {"speed": {}, "to_reach": {"hours": HOURS, "minutes": 10}}
    name = "music, 385 excerpts of 15 s, Ogg Vorbis, mono, 22.05 kHz, repeated"
    figures["speed"][name] = run_apart("speed", str(music), str(options.hours))
    print(figures, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in CODINGS:
            place = make_tracks(Path(folder), suffix)
            rate = "48" if suffix == "opus" else "44.1"
            name = f"made tracks of 3 minutes, {suffix}, stereo, {rate} kHz, repeated"
            figures["speed"][name] = run_apart("speed", str(place), str(options.made_hours))
            print(name, figures["speed"][name], flush=True)
    figures["copies"] = run_apart("copies", str(music))
    from record import record  # not above: the processes that are measured do without

    print(record("audio", figures))


if __name__ == "__main__":
    main()
