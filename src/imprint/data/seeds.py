"""Random generators that depend on stated numbers and on nothing else."""

import numpy as np
import torch

from imprint.errors import InvalidValueError

__all__ = ["generator_of"]


def generator_of(*numbers: int) -> torch.Generator:
    """Make a generator from numbers such as a seed and an epoch.

    Args:
        *numbers: each at least 0; their order counts, so (1, 2) and (2, 1) are unrelated.

    Returns:
        a generator on the CPU.

    Raises:
        InvalidValueError: for a negative number.

    Source: numpy's SeedSequence mixes the numbers.

    Examples:
        >>> generator_of(0, 1).initial_seed() == generator_of(0, 1).initial_seed()
        True
        >>> generator_of(0, 1).initial_seed() == generator_of(1, 0).initial_seed()
        False
    """
    if min(numbers) < 0:
        raise InvalidValueError(f"seed, epoch: expected at least 0, got {numbers}")
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))
