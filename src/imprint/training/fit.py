"""Whether a network fits its data: it takes the images and answers for each class."""

import torch
from torch import nn

from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor
from imprint.taps import guest

__all__ = ["check_fit"]


@torch.no_grad()
def check_fit(model: nn.Module, name: str, shape: tuple[int, int, int], num_classes: int) -> None:
    """Check with two black images that a network takes them and gives a logit for each class.

    Args:
        model: any `nn.Module`; it is left as it was.
        name: what the user called it, for the error.
        shape: channels, height and width of the images.
        num_classes: K.

    Raises:
        InvalidValueError: where it fails on such images, or does not give `(2, K)`.

    Examples:
        >>> check_fit(nn.Flatten(), "mine", (1, 1, 3), 2)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model mine: expected logits (2, 2), ... got (2, 3)
    """
    with guest(model):
        try:
            output = first_tensor(model(torch.zeros(2, *shape)), "the model's output")
        except Exception as error:  # the network is the user's, and may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            expected = f"to take images (N, {', '.join(map(str, shape))})"
            raise InvalidValueError(
                f"model {name}: expected {expected}, it failed: {reason}"
            ) from error
    if tuple(output.shape) != (2, num_classes):
        expected = f"logits (2, {num_classes}), one for each class"
        got = tuple(output.shape)
        raise InvalidValueError(f"model {name}: expected {expected}, got {got}")
