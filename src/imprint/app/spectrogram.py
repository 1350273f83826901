"""A sound to look at: time across, frequency up."""

import math
from typing import Any

from torch import Tensor

from imprint.data import AudioOptions
from imprint.report.axes import named_axes

__all__ = ["spectrogram_chart"]

Figure = dict[str, Any]

TICKS = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Frequencies in Hz that an axis names."""


def spectrogram_chart(image: Tensor, audio: AudioOptions, *, start: float = 0.0) -> Figure:
    """Draw a sound: time across, frequency up, the louder the brighter.

    Args:
        image: `(2, H, T)`, uint8, log-mel and chroma.
        audio: how it was made.
        start: where it begins in its file, in seconds.

    Returns:
        The chart of the log-mel part.

    Examples:
        >>> import torch
        >>> chart = spectrogram_chart(torch.zeros(2, 64, 8).byte(), AudioOptions())
        >>> chart["layout"]["xaxis"]["title"]["text"]
        'time (seconds)'
    """
    settings = audio.spectrogram
    step = settings.hop / settings.sample_rate
    decibels = image[0].float() * (settings.depth / 255) - settings.depth
    trace = {
        "type": "heatmap",
        "x0": start,
        "dx": step,
        "z": decibels.round(decimals=1).tolist(),
        "colorscale": "Magma",
        "colorbar": {"title": {"text": "dB below the loudest", "side": "right"}, "thickness": 12},
        "hovertemplate": "%{x:.2f} s: %{z:.0f} dB<extra></extra>",
    }
    places = {
        hertz: _band(hertz, audio) for hertz in TICKS if settings.lowest < hertz < settings.top
    }
    layout = named_axes("time (seconds)", "frequency (Hz)", height=300)
    layout["yaxis"] |= {"tickvals": list(places.values()), "ticktext": [f"{h:g}" for h in places]}
    return {"data": [trace], "layout": layout}


def _band(hertz: float, audio: AudioOptions) -> float:
    """At which mel band a frequency lies."""
    settings = audio.spectrogram
    low, high, own = (_mel(value) for value in (settings.lowest, settings.top, hertz))
    return (own - low) / (high - low) * (settings.mels + 1) - 1


def _mel(hertz: float) -> float:
    """Slaney's scale, as the images are made with: linear below 1,000 Hz, then a logarithm."""
    if hertz < 1000:
        return hertz * 3 / 200
    return 15 + 27 * math.log(hertz / 1000) / math.log(6.4)
