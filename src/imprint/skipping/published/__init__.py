"""Skipping methods that others published, as pure functions: one file a method, with its source."""

from imprint.skipping.published import (
    early_stopping,
    infobatch,
    kakurenbo,
    orderdp,
    partial_forward_blocking,
    selective_backprop,
)

__all__ = [
    "early_stopping",
    "infobatch",
    "kakurenbo",
    "orderdp",
    "partial_forward_blocking",
    "selective_backprop",
]
