"""A user's model is a guest: what is done to it is put back, also after an error."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["guest"]


@contextmanager
def guest(model: nn.Module, *, training: bool | None = False) -> Iterator[nn.Module]:
    """Hold a model in train or eval mode, and put back modes, buffers and random state afterwards.

    Args:
        model: any `nn.Module`; each submodule's own mode is put back.
        training: the mode inside the block, or None for the modes as they are.

    Yields:
        The same model.

    Examples:
        >>> model = nn.Dropout()
        >>> with guest(model):
        ...     model.training
        False
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    with torch.random.fork_rng(_cuda_devices(model)):
        try:
            yield model if training is None else model.train(training)
        finally:
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for module, name, buffer, before in buffers:
                    buffer.copy_(before)
                    setattr(module, name, buffer)  # a forward may have put another in its place


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    return list({parameter.device for parameter in model.parameters() if parameter.is_cuda})
