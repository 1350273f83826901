"""Where a layer keeps the channels of its maps: on the second axis, or on the last."""

from typing import Any

from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

__all__ = ["Layout"]


class Layout:
    """Tells on which axis of a four-dimensional output the channels lie.

    Some networks, ConvNeXt among them, turn their maps to `(N, H, W, C)` for a linear layer or a
    layer norm, and what follows works on those. Such outputs are remembered as long as they live.

    Examples:
        >>> import torch
        >>> maps = torch.zeros(1, 4, 4, 8)
        >>> Layout().channels(nn.Linear(8, 8), (), maps), Layout().channels(nn.ReLU(), (), maps)
        (3, 1)
    """

    def __init__(self) -> None:
        self._last = WeakIdKeyDictionary()

    def channels(self, module: nn.Module, inputs: Any, output: Tensor) -> int:
        """Give the axis of an output's channels.

        Args:
            module: what put it out.
            inputs: the module's arguments.
            output: any tensor.

        Returns:
            3 for maps `(N, H, W, C)`, else 1.
        """
        if output.ndim == 4 and self._is_last(module, inputs, output):
            self._last[output] = True
            return 3
        return 1

    def _is_last(self, module: nn.Module, inputs: Any, output: Tensor) -> bool:
        if isinstance(module, nn.Linear) or output in self._last:
            return True
        if isinstance(module, nn.LayerNorm):
            return _norm_is_last(module, output)
        sources = [value for value in inputs if isinstance(value, Tensor) and value in self._last]
        return any(source.shape[:3] == output.shape[:3] for source in sources)


def _norm_is_last(norm: nn.LayerNorm, output: Tensor) -> bool:
    """A layer norm over one axis works on the last, unless a child class turns the maps around."""
    if len(norm.normalized_shape) != 1:
        return False
    if type(norm).forward is nn.LayerNorm.forward or output.shape[1] != norm.normalized_shape[0]:
        return True
    turned = getattr(norm, "data_format", "channels_first") == "channels_first"
    return not turned and output.shape[3] == norm.normalized_shape[0]
