"""Small reference networks, and any network of the user's own by the name of its factory."""

import importlib
import importlib.util
import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.errors import ImprintError, InvalidValueError, MissingFileError

__all__ = ["BUILT_IN", "build_model", "conv4", "default_layer", "paper", "resnet"]

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""

UNTOLD_CLASSES = 10
"""Of a network that must be told how many, where nothing tells it."""


def paper(shape: Shape, num_classes: int) -> nn.Sequential:
    """Build the paper's network: two convolutions, each pooled and rectified, two linear layers.

    The paper gives no widths; these are the 10, 20 and 50 of the MNIST example of its time.

    Args:
        shape: channels, height and width of the images, at least 16 pixels a side.
        num_classes: K.

    Returns:
        It takes `(N, *shape)` and gives logits `(N, K)`.

    Raises:
        InvalidValueError: for smaller images.

    Source: the paper's section 6.1.

    Examples:
        >>> paper((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    channels, height, width = shape
    flat = 20 * (((height - 4) // 2 - 4) // 2) * (((width - 4) // 2 - 4) // 2)
    if min(height, width) < 16:
        raise InvalidValueError(f"shape: expected at least 16 pixels a side, got {shape}")
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 10, 5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(10, 20, 5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            linear1=nn.Linear(flat, 50),
            relu3=nn.ReLU(),
            linear2=nn.Linear(50, num_classes),
        )
    )


def conv4(shape: Shape, num_classes: int) -> nn.Sequential:
    """Build four convolutions with batch norm, global pooling and one linear layer.

    Args:
        shape: channels, height and width of the images, at least 8 pixels a side.
        num_classes: K.

    Returns:
        It takes `(N, *shape)` and gives logits `(N, K)`; its blocks have 16, 32, 64, 64 channels.

    Raises:
        InvalidValueError: for smaller images.

    Examples:
        >>> conv4((3, 32, 32), 10)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if min(shape[1:]) < 8:
        raise InvalidValueError(f"shape: expected at least 8 pixels a side, got {shape}")
    return nn.Sequential(
        OrderedDict(
            block1=_conv_block(shape[0], 16, pool=True),
            block2=_conv_block(16, 32, pool=True),
            block3=_conv_block(32, 64, pool=True),
            block4=_conv_block(64, 64, pool=False),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(64, num_classes),
        )
    )


def _conv_block(channels: int, width: int, *, pool: bool) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    smaller = [nn.MaxPool2d(2)] if pool else []  # before norm and ReLU: they run on a quarter
    return nn.Sequential(convolution, *smaller, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut around them (He et al. 2016)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != width:
            projection = nn.Conv2d(channels, width, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(maps)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(maps))


def resnet(
    shape: Shape,
    num_classes: int,
    *,
    widths: tuple[int, ...],
    depth: int,
    pooled_stem: bool = False,
) -> nn.Sequential:
    """Build a residual network for small images: a 3x3 stem, then stages of basic blocks.

    Args:
        shape: channels, height and width of the images.
        num_classes: K.
        widths: channels of each stage; each but the first halves height and width.
        depth: basic blocks a stage.
        pooled_stem: whether the stem halves height and width, so that all later stages cost a
            quarter.

    Returns:
        It takes `(N, *shape)` and gives logits `(N, K)`.

    Source: He et al. (2016), "Deep residual learning for image recognition", section 4.2.

    Examples:
        >>> resnet((3, 32, 32), 10, widths=(16, 32, 64), depth=3)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    first = widths[0]
    convolution = nn.Conv2d(shape[0], first, 3, padding=1, bias=False)
    stages = {
        f"layer{i}": _stage(before, width, depth, stride=1 if i == 1 else 2)
        for i, (before, width) in enumerate(pairwise((first, *widths)), 1)
    }
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(
                convolution,
                *([nn.MaxPool2d(2)] if pooled_stem else []),
                nn.BatchNorm2d(first),
                nn.ReLU(inplace=True),
            ),
            **stages,
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(widths[-1], num_classes),
        )
    )


def _stage(channels: int, width: int, depth: int, *, stride: int) -> nn.Sequential:
    rest = [_BasicBlock(width, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(_BasicBlock(channels, width, stride), *rest)


def _resnet18(shape: Shape, num_classes: int) -> nn.Module:
    return resnet(shape, num_classes, widths=(64, 128, 256, 512), depth=2)


def _resnet8(shape: Shape, num_classes: int) -> nn.Module:
    return resnet(shape, num_classes, widths=(16, 48, 96), depth=1, pooled_stem=True)


def _resnet20(shape: Shape, num_classes: int) -> nn.Module:
    return resnet(shape, num_classes, widths=(16, 32, 64), depth=3)


BUILT_IN: dict[str, tuple[Callable[[Shape, int], nn.Module], str]] = {
    "paper": (paper, "conv1"),
    "conv4": (conv4, "block2"),
    "resnet8": (_resnet8, "layer1"),
    "resnet20": (_resnet20, "layer1"),
    "resnet18": (_resnet18, "layer1"),
}
"""Each built-in network: its factory, and the layer at which it is tapped by default."""


def default_layer(name: str) -> str | None:
    """Name the layer at which a built-in network is tapped where none is given.

    Args:
        name: what the user gave as model.

    Returns:
        The layer's name, or None for a model of the user's own.

    Examples:
        >>> default_layer("paper")
        'conv1'
    """
    return BUILT_IN[name][1] if name in BUILT_IN else None


def build_model(name: str, shape: Shape, num_classes: int | None, *, seed: int = 0) -> nn.Module:
    """Build a network by its name; its first weights come from the seed alone.

    Args:
        name: a built-in name, or `module:factory` or `file.py:factory`. Of the arguments
            `shape`, `in_channels`, `image_size` and `num_classes`, a factory of the user's own
            gets those that it has.
        shape: channels, height and width of the images.
        num_classes: K; None, where nothing tells it, leaves it to a factory that has a default, and
            is 10 for any other network.
        seed: of the initial weights; the global random state is left as it was.

    Returns:
        The network; a built-in one takes `(N, *shape)` and gives logits `(N, K)`.

    Raises:
        InvalidValueError: for an unknown name, images that are too small for it, or a factory that
            gives no `nn.Module`.
        MissingFileError: where the module or the file is not to be found.

    Examples:
        >>> type(build_model("paper", (1, 28, 28), 10)).__name__
        'Sequential'
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = _construct(name, shape, num_classes)
    if not isinstance(model, nn.Module):
        raise InvalidValueError(f"model: expected {name} to give an nn.Module, got {type(model)}")
    return model


def _construct(name: str, shape: Shape, num_classes: int | None) -> nn.Module:
    if name in BUILT_IN:
        return BUILT_IN[name][0](shape, num_classes or UNTOLD_CLASSES)
    origin, colon, attribute = name.rpartition(":")
    if not colon:
        known = ", ".join(BUILT_IN)
        raise InvalidValueError(
            f"model: expected {known}, module:factory or file.py:factory, got {name!r}"
        )
    factory = getattr(_import(origin), attribute, None)
    if not callable(factory):
        raise InvalidValueError(f"model: expected a factory {attribute!r} in {origin}, found none")
    offered = {
        "shape": shape,
        "in_channels": shape[0],
        "image_size": shape[1],
        "num_classes": num_classes or UNTOLD_CLASSES,
    }
    with _told_as_mistake(name):
        wanted = inspect.signature(factory).parameters
        if num_classes is None and _has_default(wanted.get("num_classes")):
            del offered["num_classes"]
        takes_all = any(p.kind is p.VAR_KEYWORD for p in wanted.values())
        given = {key: offered[key] for key in offered if key in wanted or takes_all}
        result: nn.Module = factory(**given)
        return result


def _has_default(parameter: inspect.Parameter | None) -> bool:
    return parameter is not None and parameter.default is not inspect.Parameter.empty


@contextmanager
def _told_as_mistake(name: str) -> Iterator[None]:
    """Turn whatever a user's own code raises into one line that names it."""
    try:
        yield
    except ImprintError:
        raise
    except (Exception, SystemExit) as error:
        got = f"{type(error).__name__}: {error}"
        raise InvalidValueError(f"model: expected {name} to give a network, got {got}") from error


def _import(origin: str) -> ModuleType:
    """Import a module by its dotted name, or a `.py` file by its path, and what lies beside it."""
    path = Path(origin)
    folder = path.parent if origin.endswith(".py") else Path()
    with _told_as_mistake(origin), _importable(folder.resolve()):
        if not origin.endswith(".py"):
            return _import_module(origin)
        if not path.is_file():
            raise MissingFileError(f"model: expected a file {origin}, found none")
        name = f"imprint_model_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py has a loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and the like look their module up
        spec.loader.exec_module(module)
        return module


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingFileError(f"model: expected a module {name!r}, {error}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules in a folder be imported while the block runs, as `python file.py` does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
