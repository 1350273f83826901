"""Random state that a run borrows and gives back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from imprint.data.seeds import generator_of

__all__ = ["drawing_from"]


@contextmanager
def drawing_from(*numbers: int, device: torch.device) -> Iterator[None]:
    """Let dropout and the like draw from stated numbers alone; put the global state back after.

    Args:
        numbers: such as a seed and an epoch, each at least 0.
        device: whose generator is borrowed beside the CPU's.

    Examples:
        >>> drawn = []
        >>> for _ in range(2):
        ...     with drawing_from(0, 3, device=torch.device("cpu")):
        ...         drawn.append(torch.rand(1))
        >>> drawn[0] == drawn[1]
        tensor([True])
    """
    seed = generator_of(*numbers).initial_seed()
    gpu = None if device.type == "cpu" else getattr(torch, device.type)  # torch.cuda, torch.mps
    state = None if gpu is None else gpu.get_rng_state()
    with torch.random.fork_rng(devices=[]):
        try:
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach every GPU
            if gpu is not None:
                gpu.manual_seed(seed)
            yield
        finally:
            if gpu is not None:
                gpu.set_rng_state(state)
