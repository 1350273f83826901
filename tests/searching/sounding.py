"""Short made music: tracks of chords, in a key and of a colour of their own."""

import numpy as np
import soundfile

RATE = 16_000
SECONDS = 2.0


def tone(pitch, colour, seconds=SECONDS, seed=0):
    """A chord on a pitch, and a hiss whose colour is the sound's; a seed makes its rhythm."""
    time = np.arange(int(RATE * seconds)) / RATE
    beat = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * (1.5 + 0.25 * seed) * time))
    chord = sum(np.sin(2 * np.pi * pitch * ratio * time) for ratio in (1, 1.25, 1.5))
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(time)))
    frequency = np.fft.rfftfreq(len(time), 1 / RATE).clip(20)
    hiss = np.fft.irfft(spectrum * (frequency / 1000) ** colour, len(time))
    wave = beat * (chord + 0.7 * hiss / hiss.std())
    return 0.2 * wave / np.abs(wave).max()


DARK, BRIGHT = -0.5, 1.5
"""Colours: the power of the frequency that the hiss follows."""

PITCHES = (262.0, 311.1, 370.0)


def write_music(folder, seconds=SECONDS):
    """Tracks in two colours, three keys and two rhythms, of class folders `dark` and `bright`."""
    for name, colour in (("dark", DARK), ("bright", BRIGHT)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, pitch in enumerate(PITCHES):
            for seed in (0, 1):
                path = folder / name / f"{number}{'ab'[seed]}.wav"
                soundfile.write(path, tone(pitch, colour, seconds, seed), RATE)
    return folder


def write_table(folder, track=lambda path: path.stem[0]):
    """A CSV of the files below a folder: two of each colour and key are one track."""
    lines = ["file,track,composer,year,release date,rank"]
    for number, path in enumerate(sorted(folder.rglob("*.wav"))):
        name = path.relative_to(folder).as_posix()
        lines.append(
            f"{name},{path.parent.name} {track(path)},{'xy'[number % 2]},{1900 + number},a,7"
        )
    (folder / "tracks.csv").write_text("\n".join(lines))
    return folder
