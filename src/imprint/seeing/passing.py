"""What a deconvnet can pass, by the kinds of nodes in autograd's graph, and how it passes each."""

from typing import Any, cast

from torch import Tensor
from torch.autograd.graph import Node

from imprint.errors import LayerError
from imprint.seeing.graph import Gradients, Rule, Trace, kind_of, nodes_on_the_way

__all__ = ["NORMS", "RECTIFIERS", "check_passable", "rule_of"]

RECTIFIERS = frozenset({
    *("Relu", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Elu", "Celu", "Softplus"),
    *("Gelu", "Silu", "Mish", "Hardswish"),
})  # fmt: skip
"""Let what is positive through, and little or nothing of what is negative."""

CLIPS = {"Hardtanh": "_saved_min_val", "Clamp": "_saved_min", "ClampMin": "_saved_min",
         "Threshold": "_saved_threshold"}  # fmt: skip
"""Rectifiers where they clip at zero: kind, and where the node keeps the place of the clip."""

NORMS = frozenset({
    *("NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"),
    *("NativeLayerNorm", "NativeGroupNorm"),
})  # fmt: skip
"""Scale each channel or position."""

PRODUCTS = frozenset({
    *("Mul", "Div", "Mm", "Mv", "Bmm", "Addmm", "Addbmm", "Baddbmm", "Linear"),
    *("Convolution", "SlowConv2D", "MkldnnConvolution"),
})  # fmt: skip
"""Linear where only one operand depends on the images."""

LINEAR = frozenset({
    *("Clone", "Copy", "ToCopy", "Contiguous", "Alias", "View", "UnsafeView", "ReshapeAlias"),
    *("Permute", "Transpose", "T", "Unsqueeze", "Squeeze", "Expand", "Repeat", "Flip", "Roll"),
    *("Slice", "Select", "Narrow", "Split", "SplitWithSizes", "Unbind", "Index", "IndexSelect"),
    *("Cat", "Stack", "Add", "Sub", "Rsub", "Neg", "Sum", "Mean", "ChannelShuffle"),
    *("ConstantPadNd", "ReflectionPad2D", "ReplicationPad2D", "PixelShuffle", "PixelUnshuffle"),
    *("AvgPool2D", "AdaptiveAvgPool2D", "MkldnnAdaptiveAvgPool2D", "Im2Col", "Col2Im"),
    *("UpsampleNearest2D", "UpsampleNearestExact2D", "UpsampleBilinear2D", "UpsampleBicubic2D"),
})  # fmt: skip
"""Their gradient is their transpose."""

SWITCHES = frozenset({"MaxPool2DWithIndices", "AdaptiveMaxPool2D", "Max", "Amax"})
"""Their gradient goes where the maximum lay: unpooling by switches."""

REASONS = {
    "Softmax": "its weights depend on the whole image, as in attention",
    "ScaledDotProduct": "attention weighs positions by what the image shows",
    "Sigmoid": "it is no rectifier, and bends what passes through it",
    "Tanh": "it is no rectifier, and bends what passes through it",
    "Rnn": "a recurrent layer has gates that depend on the image",
    "Lstm": "a recurrent layer has gates that depend on the image",
    "CopySlices": "a part of a tensor was changed in place",
}
"""By a part of the kind."""


def check_passable(path: Trace, layer: str) -> list[Node]:
    """Check that a deconvnet can pass all that lies between a layer and the images.

    Args:
        path: the forward pass.
        layer: its name, for the error.

    Returns:
        The nodes on the way.

    Raises:
        LayerError: where it cannot; it names the module and the reason.

    Examples:
        >>> from torch import nn, zeros
        >>> from imprint.seeing.graph import trace
        >>> path = trace(nn.Sequential(nn.Sigmoid()), "0", zeros(1, 1, 2, 2))
        >>> check_passable(path, "0")
        Traceback (most recent call last):
        imprint.errors.LayerError: layer '0': ... got Sigmoid in module '0': it is no rectifier...
    """
    nodes = nodes_on_the_way(path)
    depending = set(nodes)
    for node in nodes:
        reason = _obstacle(node, depending)
        if reason:
            name = path.module_of(node)
            where = f"in module {name!r}" if name else "in the model's own forward"
            raise LayerError(
                f"layer {layer!r}: expected only convolutions, pools, norms, rectifiers and "
                f"linear layers between it and the images, got {kind_of(node)} {where}: {reason}"
            )
    return nodes


def _obstacle(node: Node, depending: set[Node]) -> str:
    """Say why a node cannot be passed; nothing where it can."""
    kind = kind_of(node)
    if kind in LINEAR | RECTIFIERS | NORMS | SWITCHES:
        return ""
    if kind in PRODUCTS:
        places = [i for i, (before, _) in enumerate(node.next_functions) if before in depending]
        joined = len(places) > 1 or (kind == "Div" and places == [1])
        return "it joins signals that all depend on the image" if joined else ""
    if kind in CLIPS:
        lowest = getattr(node, CLIPS[kind])
        return "" if lowest == 0 else f"it clips at {lowest}, and only at 0 would it rectify"
    reasons = (reason for part, reason in REASONS.items() if part.lower() in kind.lower())
    return next(reasons, "no projection through it is known")


def rule_of(node: Node) -> Rule | None:
    """Give the rule by which a deconvnet passes a node.

    Args:
        node: of the graph.

    Returns:
        Rectification of what comes down, for a rectifier; the scale alone, for a norm; None where
        the gradient is the projection.

    Source: Zeiler & Fergus (2014), section 2.1.

    Examples:
        >>> import torch
        >>> node = torch.ones(1, requires_grad=True).relu().grad_fn
        >>> rule_of(node)(node, (torch.tensor([-1.0]),), (torch.tensor([-1.0]),))
        (tensor([0.]),)
    """
    kind = kind_of(node)
    if kind in RECTIFIERS or kind in CLIPS:
        return _rectify
    at_rest = getattr(node, "_saved_training", True) is False  # its gradient is its scale
    return _scale if kind in NORMS and not at_rest else None


def _rectify(_node: Node, above: Gradients, below: Gradients) -> Gradients:
    """What comes down is rectified, whatever was rectified on the way up."""
    (signal,) = above
    return (None if signal is None else signal.clamp_min(0), *below[1:])


def _scale(node: Node, above: Gradients, below: Gradients) -> Gradients:
    """A norm's statistics are taken as they were: what comes down is scaled, and nothing else."""
    signal = above[0]
    return below if signal is None else (signal * _scale_of(node, signal), *below[1:])


def _scale_of(norm: Any, signal: Tensor) -> Tensor:
    """What a norm multiplies each value by, in a shape that fits the signal's."""
    weight, deviations = norm._saved_weight, norm._saved_result2  # noqa: SLF001 - autograd's own
    if kind_of(norm) == "NativeLayerNorm":
        return cast("Tensor", deviations if weight is None else deviations * weight)
    if kind_of(norm) == "NativeGroupNorm":
        deviations = deviations.repeat_interleave(signal.shape[1] // deviations.shape[1], dim=1)
    scale = deviations if weight is None else deviations * weight
    return cast("Tensor", scale.reshape(-1, signal.shape[1], *(1,) * (signal.ndim - 2)))
