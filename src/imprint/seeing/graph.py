"""The graph that autograd keeps of a forward pass, from the images to a layer's maps.

Working on the graph catches all that happens on the way, in modules and in functions, in place or
not, and needs no change to the user's model.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from imprint.errors import LayerError
from imprint.seeing.reading import check_maps, run_to
from imprint.taps import untraced

__all__ = ["Gradients", "Rule", "Trace", "kind_of", "nodes_on_the_way", "ruled", "trace"]

Gradients: TypeAlias = tuple[Tensor | None, ...]

Rule: TypeAlias = Callable[[Node, Gradients, Gradients], Gradients]
"""From a node, what came to its outputs and what it would give its inputs, to what it gives."""


class Frame:
    """One module's run: what went in, and what came out once it has ended."""

    def __init__(self, name: str, inputs: Any) -> None:
        self.name = name
        self.inputs = _grad_nodes(inputs)
        self.outputs: set[Node] = set()


class Trace(NamedTuple):
    """A forward pass up to a layer, with its graph.

    Attributes:
        images: `(N, C, H, W)`, what gradients are taken for.
        maps: what the layer put out, `(N, C, H, W)`; its history leads to the images.
        frames: the modules that ran, in order of their end; last those that have not ended.
    """

    images: Tensor
    maps: Tensor
    frames: tuple[Frame, ...]

    def module_of(self, node: Node) -> str:
        """Name the innermost module in which a node of the graph was made."""
        for frame in self.frames:
            if node in _reachable(frame.outputs, frame.inputs):
                return frame.name
        return ""


@torch.inference_mode(mode=False)
@torch.enable_grad()
def trace(model: nn.Module, layer: str, images: Tensor) -> Trace:
    """Run a model up to a layer, and keep the graph.

    Args:
        model: any `nn.Module`, in the mode that it is to run in; its hooks are removed again.
        layer: a name out of `model.named_modules()`; of a layer that runs several times the first
            run, or the second by `name#2`.
        images: `(N, C, H, W)`, floats.

    Returns:
        The pass; vectors `(N, D)` count as maps of one pixel.

    Raises:
        LayerError: where the layer does not run, gives no maps, or no gradient leads from its maps
            to the images.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> trace(model, "0", torch.zeros(2, 1, 8, 8)).maps.shape
        torch.Size([2, 4, 6, 6])
    """
    with _framed(model) as (done, running):
        leaf = images.clone().requires_grad_()
        reading = run_to(model, layer, leaf)
        check_maps(reading, len(images), vectors=True)
        maps = reading.maps if reading.output.ndim == 4 else reading.output[:, :, None, None]
    for frame in running:
        frame.outputs = _grad_nodes(reading.output)
    start, end = get_gradient_edge(leaf).node, maps.grad_fn
    if end is None or start not in _reachable({end}, set()):
        problem = "expected maps that depend on the images by a gradient, got maps cut off from it"
        raise LayerError(f"layer {layer!r}: {problem}, by detach or no_grad")
    return Trace(leaf, maps, (*done, *reversed(running)))


@contextmanager
def _framed(model: nn.Module) -> Iterator[tuple[list[Frame], list[Frame]]]:
    """Note the modules that have ended, and those that are running, outermost first."""
    done: list[Frame] = []
    running: list[Frame] = []

    def begin(name: str) -> Callable[..., None]:
        def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
            running.append(Frame(name, (*args, *kwargs.values())))

        return untraced(enter)

    def end(_module: nn.Module, _inputs: Any, output: Any) -> None:
        frame = running.pop()
        frame.outputs = _grad_nodes(output)
        done.append(frame)

    with ExitStack() as stack:
        for name, module in model.named_modules():
            entered = module.register_forward_pre_hook(begin(name), with_kwargs=True)
            stack.callback(entered.remove)
            stack.callback(module.register_forward_hook(untraced(end)).remove)
        yield done, running


def _grad_nodes(structure: Any) -> set[Node]:
    """The nodes that made the tensors within tuples, lists and dicts."""
    if isinstance(structure, Tensor):
        return set() if structure.grad_fn is None else {structure.grad_fn}
    if isinstance(structure, Mapping):
        structure = tuple(structure.values())
    parts = structure if isinstance(structure, tuple | list) else ()
    return {node for part in parts for node in _grad_nodes(part)}


def _reachable(starts: set[Node], stops: set[Node]) -> set[Node]:
    """The nodes that lead to a start, without those behind a stop."""
    found: set[Node] = set()
    waiting = [node for node in starts if node not in stops]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            behind = (before for before, _ in node.next_functions if before is not None)
            waiting.extend(before for before in behind if before not in stops)
    return found


@torch.inference_mode(mode=False)
@torch.enable_grad()
def nodes_on_the_way(path: Trace) -> list[Node]:
    """List the nodes between the images and the layer's maps.

    Args:
        path: a forward pass.

    Returns:
        Those of which both hold: they lead to the maps, and the images lead to them; each stands
        before all that it was made from.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> path = trace(model, "1", torch.zeros(1, 1, 4, 4))
        >>> [kind_of(node) for node in nodes_on_the_way(path)]
        ['Relu', 'Convolution', 'Clone']
    """
    leaf = get_gradient_edge(path.images).node
    depends: dict[Node, bool] = {leaf: True}
    order: list[Node] = []
    assert path.maps.grad_fn is not None  # noqa: S101 - trace has seen to it
    waiting = [path.maps.grad_fn]
    while waiting:  # depth first, by hand: networks are deeper than Python's stack
        node = waiting[-1]
        before = [each for each, _ in node.next_functions if each is not None]
        unseen = [each for each in before if each not in depends]
        if unseen:
            waiting.append(unseen[-1])
            continue
        waiting.pop()
        if node not in depends:
            depends[node] = any(depends[each] for each in before)
            if depends[node]:
                order.append(node)
    return order[::-1]


def kind_of(node: Node) -> str:
    """Name what a node does, as autograd calls it.

    Args:
        node: of the graph.

    Returns:
        the name without its ending.

    Examples:
        >>> kind_of(torch.ones(1, requires_grad=True).relu().grad_fn)
        'Relu'
    """
    return re.sub(r"Backward\d*$", "", node.name()).rpartition(":")[2]


@contextmanager
def ruled(nodes: Iterable[Node], rule_of: Callable[[Node], Rule | None]) -> Iterator[None]:
    """Change what nodes hand on in a backward pass, as long as the block runs.

    Args:
        nodes: of the graph.
        rule_of: gives a node's rule, or None where it hands on its gradient.

    Yields:
        Nothing.

    Examples:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> y = x.relu()
        >>> with ruled([y.grad_fn], lambda node: lambda node, above, below: above):
        ...     torch.autograd.grad(y.sum(), x)
        (tensor([1., 1.]),)
    """
    with ExitStack() as stack:
        for node in nodes:
            rule = rule_of(node)
            if rule is not None:
                stack.callback(node.register_hook(_hook(node, rule)).remove)
        yield


def _hook(node: Node, rule: Rule) -> Callable[[Any, Any], Gradients]:
    """Autograd's form of a rule."""
    return lambda below, above: rule(node, above, below)
