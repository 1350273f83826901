"""Memory that is freed stays with a process, for its next tensors."""

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What glibc's `malloc.h` calls `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD`."""

LARGE, LESS_LARGE = 2**30, 2**25
"""Bytes; some versions of glibc take no more than the latter."""


def keep_freed_memory() -> bool:
    """Ask the C library to keep what is freed for the next tensor, up to 1 GiB at a time.

    Each layer's maps take megabytes. Given back to the system when they are freed, they come back
    as new pages, each of which is zeroed first: a few per cent of a training step's time on a CPU,
    at times much more. What a user has set by `MALLOC_…` or `GLIBC_TUNABLES` stays.

    Returns:
        Whether it does so from now on; only glibc can be asked.

    Examples:
        >>> keep_freed_memory() in (True, False)
        True
    """
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if sys.platform != "linux" or chosen:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(MMAP_THRESHOLD, LARGE) or mallopt(MMAP_THRESHOLD, LESS_LARGE)
    return bool(kept and mallopt(TRIM_THRESHOLD, LARGE))
