"""What a network answers while it is attacked."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import guest
from imprint.whole_batches import whole_batches

__all__ = ["as_deployed", "logits_of", "probabilities_of", "right_answers"]


@contextmanager
def as_deployed(model: nn.Module) -> Iterator[None]:
    """Run a model as it will be used: in eval mode, every row to the end, gradients at hand.

    Dropout is off and batch norm uses its running statistics. A `SkipGate` that is open passes
    every row and learns nothing. Modes, buffers and random state are put back.

    Args:
        model: any `nn.Module`.

    Yields:
        Nothing.

    Examples:
        >>> model = nn.Dropout()
        >>> with as_deployed(model):
        ...     model.training, torch.is_grad_enabled()
        (False, True)
    """
    with guest(model), whole_batches(), torch.inference_mode(mode=False), torch.enable_grad():
        yield


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Give a network's logits, checked.

    Args:
        model: any `nn.Module`.
        images: `(N, …)`, as it takes them.

    Returns:
        `(N, K)`, floats: its output, or the first tensor in it.

    Raises:
        InvalidValueError: where it gives anything else, or K is 1.

    Examples:
        >>> logits_of(nn.Flatten(), torch.zeros(2, 1, 2, 2)).shape
        torch.Size([2, 4])
    """
    logits = first_tensor(model(images.clone()), "the model")  # it may change them in place
    fits = logits.ndim == 2 and len(logits) == len(images) and logits.shape[1] > 1
    if not fits or not logits.is_floating_point():
        got = f"{tuple(logits.shape)} of {logits.dtype}"
        expected = f"logits ({len(images)}, K) for {len(images)} images, K of 2 or more"
        raise InvalidValueError(f"model: expected {expected}, got {got}")
    return logits


@torch.no_grad()
def right_answers(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Tell which images a network answers rightly.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, as it takes them.
        labels: `(N,)`, int64.

    Returns:
        `(N,)`, bool.

    Raises:
        InvalidValueError: where it gives no logits.

    Examples:
        >>> right_answers(nn.Flatten(), torch.eye(2).view(2, 2, 1, 1), torch.tensor([0, 0]))
        tensor([ True, False])
    """
    with guest(model), whole_batches():
        return logits_of(model, images).argmax(1) == labels


@torch.no_grad()
def probabilities_of(model: nn.Module, images: Tensor) -> Tensor:
    """Give a network's probabilities.

    Args:
        model: gives logits `(N, K)`; it runs in eval mode and is left as it was.
        images: `(N, C, H, W)`, as it takes them.

    Returns:
        `(N, K)`, float32.

    Raises:
        InvalidValueError: where it gives no logits.

    Examples:
        >>> probabilities_of(nn.Flatten(), torch.zeros(1, 2, 1, 1))
        tensor([[0.5000, 0.5000]])
    """
    with guest(model), whole_batches():
        return logits_of(model, images).float().softmax(1)
