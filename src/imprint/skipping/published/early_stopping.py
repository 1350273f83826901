"""Instance-dependent early stopping: a sample whose loss moves evenly is mastered."""

from torch import Tensor

from imprint.errors import InvalidValueError

__all__ = ["mastered"]


def mastered(history: Tensor, *, delta: float = 1e-3) -> Tensor:
    """Say which samples are mastered: the second difference of their loss is about zero.

    With the losses L of three epochs in turn, `|L_3 - 2·L_2 + L_1| <= delta`. Of a longer history
    the mean of all its second differences' magnitudes counts.

    Mastered samples are still passed forward once an epoch, after it and in evaluation mode: only
    backpropagation leaves them out. So their losses go on, and a sample that is no longer mastered
    is trained on again. The authors' code takes the mean of the last three differences, thus a
    history of five epochs (and begins after six), holds `<`, and doubles delta for 100 classes.

    Args:
        history: `(E, N)`, floats, losses of the last E epochs, the latest last, E of at least 3;
            infinite or NaN where one is unknown: such a sample is not mastered.
        delta: in nats, at least 0; the published default is 1e-3, to be chosen in 1e-5 … 1e-1.

    Returns:
        `(N,)`, bool.

    Raises:
        InvalidValueError: for fewer than three epochs, another shape, or a negative delta.

    Source: Yuan et al., Instance-dependent Early Stopping (ICLR 2025), arXiv 2502.07547;
        tmllab/2025_ICLR_IES.

    Examples:
        >>> import torch
        >>> history = torch.tensor([[0.3, 2.0, torch.inf], [0.2, 1.0, 0.0], [0.1, 0.5, 0.0]])
        >>> mastered(history, delta=1e-3)  # second differences of 0 and 0.5; one is unknown
        tensor([ True, False, False])
    """
    if history.ndim != 2 or len(history) < 3:
        got = tuple(history.shape)
        raise InvalidValueError(f"history: expected (E, N) with E of at least 3, got {got}")
    if not delta >= 0:
        raise InvalidValueError(f"delta: expected at least 0, got {delta}")
    bend = history[2:] - 2 * history[1:-1] + history[:-2]
    return bend.abs().mean(0) <= delta
