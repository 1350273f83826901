"""Whether a network fits its data, and weights a network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import guest

__all__ = ["check_fit", "load_weights"]


@torch.no_grad()
def check_fit(
    model: nn.Module, name: str, shape: tuple[int, int, int], num_classes: int, rows: int = 2
) -> None:
    """Check with black images that a network trains on them and gives a logit for each class.

    Args:
        model: any `nn.Module`; it is left as it was.
        name: what the user called it, for the error.
        shape: channels, height and width of the images.
        num_classes: K.
        rows: N, the images at once; batch norm cannot train on one.

    Raises:
        InvalidValueError: where it fails on such images, or does not give `(N, K)`.

    Examples:
        >>> check_fit(nn.Flatten(), "mine", (1, 1, 3), 2)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model mine: expected logits (2, 2), ... got (2, 3)
    """
    with guest(model, training=True):
        try:
            output = first_tensor(model(torch.zeros(rows, *shape)), "the model's output")
        except Exception as error:  # the network is the user's, and may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            expected = f"to train on images ({rows}, {', '.join(map(str, shape))})"
            raise InvalidValueError(
                f"model {name}: expected {expected}, it failed: {reason}"
            ) from error
    if tuple(output.shape) != (rows, num_classes):
        expected = f"logits ({rows}, {num_classes}), one for each class"
        got = tuple(output.shape)
        raise InvalidValueError(f"model {name}: expected {expected}, got {got}")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Give a network other weights.

    Args:
        model: any `nn.Module`.
        weights: parameters and buffers by name, all of them.
        name: what the user called the network, for the error.

    Raises:
        InvalidValueError: where they are those of another network.

    Examples:
        >>> load_weights(nn.Linear(1, 1), {"weight": torch.ones(1, 1)}, "mine")
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: start: expected weights of model mine, ... "bias".
    """
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidValueError(f"start: expected weights of model {name}, got {reason}") from error
