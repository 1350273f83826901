"""The part of a network after a layer, run on that layer's stored maps."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imprint.errors import InvalidValueError, LayerError
from imprint.outputs import first_tensor, map_tensors
from imprint.taps import check_carries_all_data, find_layer, guest, maps_at

__all__ = ["Rest"]

PROBES = 2
"""Images of noise that show what the modules put out, and prove that the rest answers alike."""


class Rest:
    """What follows a layer, as a function of that layer's maps; all before it is left out.

    While it runs, each module before the layer gives a stand-in of zeros that takes no room, and
    the layer gives the maps. That is proven when it is made: on two images of noise the whole
    network and the rest must answer alike. The network is as it was after each call, and keeps
    taking images itself.

    Args:
        model: any `nn.Module` that takes one tensor; not a compiled one.
        layer: a name out of `model.named_modules()`, through which all data flow once.
        shape: channels, height and width of the images.

    Attributes:
        layer: the layer's name.
        shape: of one sample's maps, such as `(C, H, W)`.
        frozen: the names of the parameters that the rest does not depend on.

    Raises:
        InvalidValueError: where the model does not take such images.
        LayerError: where there is no such layer, data flow around it, it gives no tensor, or the
            rest does not answer as the whole network does.

    Examples:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> rest, images = Rest(model, "1", (1, 8, 8)), torch.rand(5, 1, 8, 8)
        >>> torch.equal(rest(rest.read(images)), model(images))
        True
        >>> rest.frozen
        ('0.weight', '0.bias')
    """

    def __init__(self, model: nn.Module, layer: str, shape: tuple[int, int, int]) -> None:
        self.layer = layer
        self._model, self._image_shape = model, shape
        self._target = find_layer(model, layer)
        noise = torch.rand(PROBES, *shape, generator=torch.Generator().manual_seed(0))
        floats = (weight for weight in model.parameters() if weight.is_floating_point())
        noise = noise.to(next(floats, noise))  # half-precision networks take images of their own
        _check_takes(model, noise)
        check_carries_all_data(model, layer, noise)
        self._outputs = _outputs_before(model, self._target, noise)
        self._stubbed = list(dict.fromkeys(module for module, _ in self._outputs))
        maps = self.read(noise)
        self.shape = tuple(maps.shape[1:])
        self._check(noise, maps)
        self.frozen = self._unreached(maps)

    def __call__(self, maps: Tensor) -> Any:
        """Answer for stored maps.

        Args:
            maps: `(N, *shape)`, or what can be reshaped to it.

        Returns:
            What the network puts out for the images that they are of.
        """
        with self._replaced(maps.clone()):  # what follows may change them in place
            return self._model(self._stand_in(maps))

    def read(self, images: Tensor) -> Tensor:
        """Give the layer's maps, in eval mode and without gradients; nothing later is computed.

        Args:
            images: `(N, C, H, W)`, as the network takes them.

        Returns:
            `(N, *shape)`.

        Raises:
            LayerError: where the layer gives no tensor.
        """
        return maps_at(self._model, self.layer, images)

    def hold_still(self) -> None:
        """Put all before the layer, and the layer, in eval mode, whatever mode the rest is in."""
        for module in (*self._stubbed, self._target):
            module.eval()

    def holds(self, layer: str) -> bool:
        """Tell whether a layer lies before this one, or within it.

        Args:
            layer: a name out of `model.named_modules()`.

        Returns:
            False for this layer itself.
        """
        module = find_layer(self._model, layer)
        within = (part for whole in (*self._stubbed, self._target) for part in whole.modules())
        return module is not self._target and any(part is module for part in within)

    def attach(self) -> None:
        """Make the network itself take maps in the place of images, for good."""
        forward = self._model.forward

        def take_maps(maps: Tensor) -> Any:
            with self._replaced(maps):
                return forward(self._stand_in(maps))

        self._model.forward = take_maps

    def _stand_in(self, maps: Tensor) -> Tensor:
        """Images of zeros, as many as there are maps, that take no room."""
        return maps.new_zeros(1).expand(len(maps), *self._image_shape)

    @contextmanager
    def _replaced(self, maps: Tensor) -> Iterator[None]:
        """Let the layer give the maps, and what runs before it stand-ins, while the block runs."""
        count, waiting, arrived = len(maps), iter(self._outputs), False

        def give(_module: nn.Module, _forward: Callable[..., Any]) -> Callable[..., Any]:
            def arrive(*_: Any, **__: Any) -> Tensor:
                nonlocal arrived
                arrived = True
                return maps.reshape(count, *self.shape)

            return arrive

        def stand_in(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
            def step(*args: Any, **kwargs: Any) -> Any:
                if arrived:  # a module that also runs after the layer
                    return forward(*args, **kwargs)
                expected, output = next(waiting, (None, None))
                if expected is not module:
                    raise LayerError(_OTHER_WAY.format(self.layer))
                return map_tensors(output, lambda like: _like(like, count))

            return step

        with ExitStack() as stack:
            for module in self._stubbed:
                stack.enter_context(_forward_of(module, stand_in))
            stack.enter_context(_forward_of(self._target, give))
            yield

    @torch.no_grad()
    def _check(self, images: Tensor, maps: Tensor) -> None:
        """Prove that the rest answers as the whole does."""
        with guest(self._model):
            whole = first_tensor(self._model(images), "the model")
            try:
                part = first_tensor(self(maps), "the model")
            except Exception as error:  # the network is the user's, and may raise anything
                reason = (str(error) or type(error).__name__).splitlines()[0]
                raise LayerError(f"{_CANNOT.format(self.layer)}, it failed: {reason}") from error
        if part.shape != whole.shape or not torch.allclose(
            part.float(), whole.float(), rtol=1e-4, atol=1e-5, equal_nan=True
        ):
            raise LayerError(f"{_CANNOT.format(self.layer)}, it gave another answer")

    def _unreached(self, maps: Tensor) -> tuple[str, ...]:
        """The parameters that no gradient of the rest reaches."""
        named = [(n, w) for n, w in self._model.named_parameters() if w.requires_grad]
        with guest(self._model), torch.enable_grad():
            answer = first_tensor(self(maps), "the model")
            if not answer.requires_grad:
                return tuple(name for name, _ in named)
            weights = [weight for _, weight in named]
            gradients = torch.autograd.grad(answer.sum(), weights, allow_unused=True)
        pairs = zip(named, gradients, strict=True)
        return tuple(name for (name, _), gradient in pairs if gradient is None)


_CANNOT = (
    "layer {!r}: expected a network that runs from its maps on as it does from its images, with "
    "the modules before it left out"
)
_OTHER_WAY = (
    "layer {!r}: expected the modules before it to run in the same order for all images, got "
    "another order"
)


@torch.no_grad()
def _check_takes(model: nn.Module, images: Tensor) -> None:
    """Check that a network runs on such images at all."""
    try:
        with guest(model):
            model(images)
    except Exception as error:  # the network is the user's, and may raise anything
        expected = f"a network for images {tuple(images.shape[1:])} of {images.dtype}"
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise InvalidValueError(f"model: expected {expected}, {reason}") from error


@torch.no_grad()
def _outputs_before(
    model: nn.Module, target: nn.Module, images: Tensor
) -> list[tuple[nn.Module, Any]]:
    """What the outermost modules before a layer put out, in order; those around it are not among.

    Only the form of the outputs is kept, in tensors without room of their own.
    """
    around = {id(module) for module in model.modules() if target in set(module.modules())}
    outputs: list[tuple[nn.Module, Any]] = []
    depth, arrived = 0, False

    def enter(_module: nn.Module, _inputs: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0 and not arrived:
            outputs.append(
                (module, map_tensors(output, lambda each: each.new_zeros(1).expand_as(each)))
            )

    def arrive(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        nonlocal arrived
        arrived = True

    with ExitStack() as stack, guest(model):
        for module in model.modules():
            if id(module) not in around:
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
        stack.callback(target.register_forward_hook(arrive).remove)
        model(images)
    return outputs


def _form(output: Tensor) -> Tensor:
    """Shape, type and device of a tensor, and one zero."""
    return output.new_zeros(1).expand_as(output)


def _like(form: Tensor, count: int) -> Tensor:
    """A stand-in for an output that was seen for a few images."""
    rows = count if form.ndim and len(form) == PROBES else None
    shape = form.shape if rows is None else (rows, *form.shape[1:])
    return form.new_zeros(1).expand(shape)


@contextmanager
def _forward_of(
    module: nn.Module,
    replace: Callable[[nn.Module, Callable[..., Any]], Callable[..., Any]],
) -> Iterator[None]:
    """Replace a module's forward while the block runs; hooks of the module's own still run."""
    own = module.__dict__.get("forward")
    module.forward = replace(module, module.forward)
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own
