"""Taps: read a model's feature maps at a named layer, or cut its batch there.

A user's model is a guest. All that is done to it here is a context manager that puts back hooks,
modes and random state on exit, also after an error.
"""

from imprint.taps.candidates import candidate_layers, spread
from imprint.taps.flow import (
    carries_all_data,
    check_carries_all_data,
    check_rows,
    row_filter,
    untraced,
)
from imprint.taps.guests import check_free, check_hooks, guest, held
from imprint.taps.placement import channels_last, device_of
from imprint.taps.tap import Tap, find_layer, hooked, maps_at
from imprint.taps.timing import Clock, clock_of, forward_stamps, take_turns

__all__ = [
    "Clock",
    "Tap",
    "candidate_layers",
    "carries_all_data",
    "channels_last",
    "check_carries_all_data",
    "check_free",
    "check_hooks",
    "check_rows",
    "clock_of",
    "device_of",
    "find_layer",
    "forward_stamps",
    "guest",
    "held",
    "hooked",
    "maps_at",
    "row_filter",
    "spread",
    "take_turns",
    "untraced",
]
