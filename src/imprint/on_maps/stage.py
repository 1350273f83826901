"""Maps before or after a layer's activation, found by following the layer's output."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor
from imprint.taps import find_layer, guest, untraced

__all__ = ["Stage", "activation_after", "check_stage", "stage_maps"]

Stage = Literal["before-activation", "after-activation"]

ACTIVATIONS = frozenset(
    {
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu"),
        *("mish", "hardswish", "hardsigmoid", "hardtanh", "sigmoid", "log_sigmoid", "tanh"),
        *("softplus", "softsign", "threshold"),
    }
)
"""PyTorch's functions; a module such as `nn.ReLU` calls its own."""

PASSED = frozenset(
    {
        *("max_pool1d", "max_pool2d", "avg_pool2d", "lp_pool2d", "fractional_max_pool2d"),
        *(
            "adaptive_max_pool2d",
            "adaptive_avg_pool2d",
            "batch_norm",
            "instance_norm",
            "group_norm",
        ),
        *("layer_norm", "local_response_norm", "dropout", "dropout2d", "alpha_dropout"),
        *("feature_alpha_dropout", "add", "iadd", "contiguous", "permute"),
    }
)
"""What may stand between a layer and its activation: pooling, norms, dropout and a shortcut."""


class _ArrivedError(Exception):
    """Raised to leave a forward pass that has come to what it was run for."""


class _Follow(TorchFunctionMode):
    """Follows a layer's output to the activation that it comes to, and ends the forward pass there.

    Args:
        to_activation: whether to go that far, or to end at the layer.

    Attributes:
        maps: the layer's output, then that of the activation.
        activation: its name, once it is found; the layer's own where it ends in one.
        within: whether the layer ends in it.
    """

    def __init__(self, *, to_activation: bool) -> None:
        super().__init__()
        self.maps: Tensor | None = None
        self.activation = ""
        self.within = False
        self._to_activation = to_activation
        self._followed: list[Tensor] = []
        self._activated: tuple[Tensor | None, str] = (None, "")

    def begin(self, maps: Tensor) -> None:
        """Take the layer's output; where an activation has made it, that is the end."""
        self.maps = maps
        self._followed = [maps]
        if maps is self._activated[0]:
            self.activation, self.within = self._activated[1], True
        if self.activation or not self._to_activation:
            raise _ArrivedError

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = (*args, *(kwargs or {}).values())
        follows = any(each is known for each in given for known in self._followed)
        output = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if name in ACTIVATIONS and isinstance(output, Tensor):
            self._activated = (output, name)
            if follows:
                self.maps, self.activation = output, name
                raise _ArrivedError
        elif name in PASSED and follows and isinstance(output, Tensor):
            self._followed.append(output)
        return output


def activation_after(model: nn.Module, layer: str, images: Tensor) -> tuple[str, bool]:
    """Find the activation that a layer's output comes to.

    Pooling, norms, dropout and additions may stand between, whether they are modules or functions.

    Args:
        model: any `nn.Module`; it runs in eval mode and is left as it was.
        layer: a name out of `model.named_modules()`; of its runs in a forward pass the first.
        images: `(N, C, H, W)`, as the model takes them; one will do.

    Returns:
        the name of PyTorch's function, `relu` or another, and whether the layer itself ends in it.

    Raises:
        LayerError: where there is no such layer, it does not run, or no activation follows.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU())
        >>> activation_after(model, "0", torch.zeros(1, 1, 8, 8))
        ('relu', False)
    """
    follow = _followed(model, layer, images, to_activation=True)
    return follow.activation, follow.within


def stage_maps(model: nn.Module, layer: str, stage: Stage, images: Tensor) -> Tensor:
    """Read a layer's maps of a batch before or after its activation; nothing later is computed.

    Args:
        model: any `nn.Module`; it runs in eval mode without gradients and is left as it was.
        layer: a name out of `model.named_modules()`; of its runs in a forward pass the first.
        stage: `before-activation`, the layer's own output; `after-activation`, the output of the
            activation that follows it, which is the layer's own where it ends in one.
        images: `(N, C, H, W)`, as the model takes them.

    Returns:
        `(N, C, H, W)`, on the device of the model.

    Raises:
        InvalidValueError: for an unknown stage.
        LayerError: where there is no such layer, it does not run or gives no maps, or no activation
            follows.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.ReLU())
        >>> stage_maps(model, "0", "before-activation", torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 4, 6, 6])
        >>> stage_maps(model, "0", "after-activation", torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 4, 3, 3])
    """
    check_stage(stage)
    after = stage == "after-activation"
    follow = _followed(model, layer, images, to_activation=after)
    if follow.activation and not after:
        problem = f"expected one before its activation, got one that ends in {follow.activation}"
        raise LayerError(f"layer {layer!r}: {problem}; name a layer within it")
    return _checked_maps(follow.maps, layer, len(images))


def check_stage(stage: str) -> None:
    """Check the name of a stage.

    Args:
        stage: what the user gave.

    Raises:
        InvalidValueError: for another than the two.

    Examples:
        >>> check_stage("after-activation")
    """
    if stage not in get_args(Stage):
        expected = " or ".join(get_args(Stage))
        raise InvalidValueError(f"stage: expected {expected}; got {stage!r}")


@torch.no_grad()
def _followed(model: nn.Module, layer: str, images: Tensor, *, to_activation: bool) -> _Follow:
    """Run a guest until the layer's output, or its activation's, is there."""
    follow = _Follow(to_activation=to_activation)

    def begin(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if follow.maps is None:
            follow.begin(first_tensor(output, layer))

    handle = find_layer(model, layer).register_forward_hook(untraced(begin))
    try:
        with guest(model), follow:
            model(images)
    except _ArrivedError:
        return follow
    finally:
        handle.remove()
    if follow.maps is None:
        raise LayerError(f"layer {layer!r}: did not run in the model's forward pass")
    problem = "expected one that an activation follows (pooling, norms and additions may stand"
    raise LayerError(f"layer {layer!r}: {problem} between), found none")


def _checked_maps(maps: Tensor | None, layer: str, count: int) -> Tensor:
    if maps is None or maps.ndim != 4 or len(maps) != count:
        got = None if maps is None else tuple(maps.shape)
        raise LayerError(f"layer {layer!r}: expected maps ({count}, C, H, W), got {got}")
    return maps
