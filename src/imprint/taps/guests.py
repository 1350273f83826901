"""A user's model is a guest: what is done to it is put back, also after an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from torch import nn

from imprint.errors import InvalidValueError, LayerError

__all__ = ["check_free", "check_hooks", "guest", "held"]

_HOLDER = "imprint_holder"


class _Holder(str):
    """What holds a module; copied or pickled with it, its hooks would lead to the first one."""

    __slots__ = ()

    def __deepcopy__(self, _memo: Any) -> NoReturn:
        raise LayerError(f"model: expected one without {self} to copy, got one with {self}")

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise LayerError(f"model: expected one without {self} to pickle, got one with {self}")


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


@contextmanager
def held(model: nn.Module, holder: str, *, beside: str = "") -> Iterator[None]:
    """Mark a model as held by what shrinks its batches, so that nothing else does as well.

    Meanwhile to copy or pickle it or a part of it is a `LayerError`: what is patched and hooked in
    the copy would lead to this one.

    Args:
        model: any `nn.Module`; the mark is taken off afterwards.
        holder: what holds it, for the error.
        beside: another holder with which it is shared.

    Raises:
        LayerError: where the model, or a part of it, is held by another.

    Examples:
        >>> model = nn.Linear(1, 1)
        >>> with held(model, "open exits"), held(model, "an open gate"):
        ...     pass
        Traceback (most recent call last):
        imprint.errors.LayerError: model: expected one without open exits, got one with open exits
    """
    check_free(model, beside=beside)
    parts = [(part, part.__dict__.get(_HOLDER)) for part in model.modules()]
    for part, _ in parts:
        part.__dict__[_HOLDER] = _Holder(holder)
    try:
        yield
    finally:
        for part, before in parts:
            if before is None:
                del part.__dict__[_HOLDER]
            else:
                part.__dict__[_HOLDER] = before


def check_free(model: nn.Module, *, beside: str = "") -> None:
    """Check that nothing shrinks a model's batches.

    Args:
        model: any `nn.Module`.
        beside: a holder that may.

    Raises:
        LayerError: where something does.

    Examples:
        >>> check_free(nn.Linear(1, 1))
    """
    for module in model.modules():
        holder = module.__dict__.get(_HOLDER, beside)
        if holder != beside:
            raise LayerError(f"model: expected one without {holder}, got one with {holder}")


def check_hooks(module: nn.Module) -> None:
    """Check that a module takes hooks, by which its output is read.

    Args:
        module: a model or a layer; what lies within it is not looked at.

    Raises:
        InvalidValueError: for one that torch.jit has scripted or traced, or `nn.DataParallel` over
            several devices, whose copies would share the hooks.

    Examples:
        >>> check_hooks(nn.ReLU())
    """
    if isinstance(module, torch.jit.ScriptModule):
        got = "one scripted or traced by torch.jit; give what it was made of"
    elif isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
        got = "nn.DataParallel over several devices; take DistributedDataParallel"
    else:
        return
    raise InvalidValueError(f"model: expected an nn.Module that takes hooks, got {got}")


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    return list({parameter.device for parameter in model.parameters() if parameter.is_cuda})
