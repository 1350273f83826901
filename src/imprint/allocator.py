"""Memory that is freed stays with a process, for its next tensors."""

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What glibc's `malloc.h` calls `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD`."""

LARGE, LESS_LARGE = 2**30, 2**25
"""Bytes; some versions of glibc take no more than the latter."""

CHOSEN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables of the environment by which users set these themselves."""


def keep_freed_memory() -> bool:
    """Ask the C library to keep what is freed for the next tensors, but for very large ones.

    Each layer's maps take megabytes. Given back to the system when they are freed, they come back
    as new pages, each of which is zeroed first: a few per cent of a training step's time on a CPU,
    at times much more. Thresholds that a user has set, by `MALLOC_MMAP_THRESHOLD_`,
    `MALLOC_TRIM_THRESHOLD_` or `GLIBC_TUNABLES`, stay.

    Returns:
        Whether it does so from now on; only glibc can be asked.

    Examples:
        >>> keep_freed_memory() in (True, False)
        True
    """
    if sys.platform != "linux" or any(name in os.environ for name in CHOSEN):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(MMAP_THRESHOLD, LARGE) or mallopt(MMAP_THRESHOLD, LESS_LARGE)
    return bool(kept and mallopt(TRIM_THRESHOLD, LARGE))
