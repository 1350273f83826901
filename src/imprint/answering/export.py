"""A network with its exits as ONNX files: a segment up to each exit, and one to the end."""

import builtins
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.answering.exported import REFERENCE
from imprint.answering.onnx_packages import onnx_package
from imprint.early_exit import FIRST, EarlyExit, Exit, FirstNetwork, Head, grid_means
from imprint.errors import InvalidValueError
from imprint.outputs import first_tensor, map_tensors
from imprint.runs import check_vacant, claim, write_json, write_tensors
from imprint.signatures import channels_first
from imprint.taps import check_free, guest, hooked
from imprint.types import Normalisation

__all__ = ["export_exits"]

_TRACING = Lock()
"""One network at a time is traced."""


def export_exits(
    model: nn.Module,
    exits: EarlyExit,
    folder: Path,
    *,
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    normalisation: Normalisation,
) -> Path:
    """Write a network and its exits as files that need neither PyTorch nor Imprint to run.

    Segment 0 takes normalised images `(N, C, H, W)`, float32, N of any size; each further one the
    maps that the one before it gave. A segment up to an exit gives these maps and the exit's logits
    `(N, K)`; the last one gives the network's.

    Args:
        model: on the CPU, in float32; it is left as it was.
        exits: of the model; without any there is one segment. Those that are closed, with a
            threshold of infinity, are left out.
        folder: new or empty; gets `segment_0.onnx`, …, `exits.json` and, for a monitor,
            `reference.safetensors`.
        shape: channels, height and width of the images.
        class_names: of the logits, in order.
        normalisation: of the images that the model takes.

    Returns:
        The folder.

    Raises:
        MissingExtraError: without `imprint[onnx]`.
        InvalidValueError: where PyTorch cannot export the network.
        LayerError: where exits of the model, or a gate, are open.
        RunExistsError: where the folder holds anything.
        StorageError: where it cannot be written to.

    Examples:
        >>> import tempfile
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> with tempfile.TemporaryDirectory() as place:
        ...     folder = export_exits(
        ...         model,
        ...         EarlyExit(()),
        ...         Path(place),
        ...         shape=(1, 2, 2),
        ...         class_names=("a", "b"),
        ...         normalisation=Normalisation((0.0,), (1.0,)),
        ...     )
        ...     sorted(path.name for path in folder.iterdir())
        ['exits.json', 'segment_0.onnx']
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        onnx_package(name)
    check_vacant(folder)
    check_free(model)
    opened = [own for own in exits.exits if math.isfinite(own.threshold)]
    images, at_layers = torch.zeros(2, *shape), [own for own in opened if isinstance(own, Exit)]
    segments = _segments(_whole(model, at_layers, images), len(at_layers))
    if len(at_layers) < len(opened) and exits.first is not None:
        segments.insert(0, _first_segment(exits.first, images))
    claim(folder)
    for number, segment in enumerate(segments):
        onnx_package("onnx").save(segment, folder / f"segment_{number}.onnx")
    about = _about(opened, shape, class_names, normalisation)
    write_json(folder / "exits.json", about | {"promise": exits.promise._asdict()})
    if exits.reference is not None and opened[:1] == list(exits.exits[:1]):
        write_tensors(folder / REFERENCE, {"reference": exits.reference}, {})
    return folder


def _first_segment(first: nn.Module, images: Tensor) -> Any:
    """A first network, which hands the images on."""
    with guest(first), torch.no_grad(), _quiet():
        return _exported(_Asked(first), images, ["images_on", _logits(0)])


class _Asked(nn.Module):
    """Gives images as they are, and what a network says of them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.clone(), first_tensor(self._network(images), FIRST)


def _maps(number: int) -> str:
    return f"maps_{number}"


def _logits(number: int) -> str:
    return f"logits_{number}"


def _segments(whole: Any, last: int) -> list[Any]:
    """Cut the network at its exits."""
    extractor = onnx_package("onnx.utils").Extractor(whole)
    segments = []
    for number in range(last + 1):
        given = _maps(number - 1) if number else "images"
        outputs = [_logits(number)] if number == last else [_maps(number), _logits(number)]
        segment = extractor.extract_model([given], outputs)
        for node in segment.graph.node:
            if node.op_type == "Shape" and node.input[0] == "images":  # how many rows there are
                node.input[0] = given
        _check_segment(segment, given)
        segments.append(segment)
    return segments


def _check_segment(segment: Any, given: str) -> None:
    known = {given, *(own.name for own in segment.graph.initializer)}
    for node in segment.graph.node:
        for name in node.input:
            if name and name not in known:
                raise InvalidValueError(
                    f"model: expected one that can be cut at its exits, got {node.op_type} of "
                    f"{name!r} after {given!r}"
                )
        known.update(node.output)


def _about(
    exits: Sequence[Exit | FirstNetwork],
    shape: tuple[int, int, int],
    class_names: tuple[str, ...],
    normalisation: Normalisation,
) -> dict[str, Any]:
    return {
        "shape": list(shape),
        "classes": list(class_names),
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
        "layers": [own.layer for own in exits],
        "thresholds": [own.threshold for own in exits],
    }


def _whole(model: nn.Module, exits: Sequence[Exit], images: Tensor) -> Any:
    """The network with all maps and logits as outputs, in one ONNX model."""
    names = [name for number in range(len(exits)) for name in (_maps(number), _logits(number))]
    with guest(model), torch.no_grad(), ExitStack() as stack, _quiet():
        taps = [stack.enter_context(_kept(model, own.layer)) for own in exits]
        return _exported(_Outputs(model, taps, exits), images, [*names, _logits(len(exits))])


def _exported(module: nn.Module, images: Tensor, outputs: list[str]) -> Any:
    """A module as one ONNX model, for any number of images."""
    try:
        with _symbolic_lengths():
            program: Any = torch.onnx.export(
                module,
                (images,),
                dynamo=True,
                input_names=["images"],
                output_names=outputs,
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                verbose=False,
            )
    except Exception as error:  # whatever a user's own code or the exporter raises
        cause = error.__cause__ or error  # the exporter's own text is of its steps
        reason = " ".join(str(cause).split())[:300]
        raise InvalidValueError(
            f"model: expected one that PyTorch can export, {type(cause).__name__}: {reason}"
        ) from error
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise InvalidValueError(
            f"model: expected one that takes any number of images, got one that PyTorch exports "
            f"for {len(images)} alone: it makes a plain integer of their number, or loops over them"
        )
    return model


@contextmanager
def _symbolic_lengths() -> Iterator[None]:
    """Let `len(images)` be a symbol as `images.shape[0]` is, not the number of those traced."""

    def symbolic(value: Any) -> Any:
        usual = getattr(type(value), "__len__", None) is Tensor.__len__
        return value.shape[0] if usual and value.ndim else length(value)

    with _TRACING:
        length = builtins.len
        builtins.len = symbolic
        try:
            yield
        finally:
            builtins.len = length


@contextmanager
def _kept(model: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Keep a layer's maps as they are; what a later layer may change in place is a copy."""
    kept: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        kept[:] = [first_tensor(output, layer)]
        return map_tensors(output, Tensor.clone)

    with hooked(model, layer, hook):
        yield kept


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of packages that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Outputs(nn.Module):
    """Gives the maps and the logits of each exit, then the network's logits."""

    def __init__(self, model: nn.Module, taps: list[list[Tensor]], exits: Sequence[Exit]) -> None:
        super().__init__()
        self._model, self._taps = model, taps
        self._heads = nn.ModuleList(_HeadModule(own.head) for own in exits)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits = first_tensor(self._model(images), "the model")
        outputs: list[Tensor] = []
        for (maps,), head in zip(self._taps, self._heads, strict=True):
            outputs += [maps, head(maps)]
        return (*outputs, logits)


class _HeadModule(nn.Module):
    """A head without anything that depends on the data's values, as an export asks for."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        layers = [head.hidden, (head.weight, head.bias)] if head.hidden else [head[:2]]
        for number, (weight, bias) in enumerate(layers):
            self.register_buffer(f"weight_{number}", weight)
            self.register_buffer(f"bias_{number}", bias)
        self._count = len(layers)
        self._features = grid_means if head.kind == "mlp" else _moments

    def forward(self, maps: Tensor) -> Tensor:
        rows = self._features(maps)
        for number in range(self._count):
            rows = rows.relu() if number else rows
            weight: Any = getattr(self, f"weight_{number}")
            rows = F.linear(rows, weight, getattr(self, f"bias_{number}"))
        return rows


def _moments(maps: Tensor) -> Tensor:
    """The signature, by two passes."""
    magnitude = channels_first(maps).abs()
    mean = magnitude.mean(2)
    variance = (magnitude - mean[:, :, None]).square().mean(2)
    return torch.stack((mean, variance.sqrt()), dim=2).flatten(1)
