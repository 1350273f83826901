"""BranchyNet's exits: a small trained branch answers, sure by its entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.early_exit.published.answers import Answers
from imprint.errors import InvalidValueError

__all__ = ["TrainedExit"]

RATE = 2e-3


class TrainedExit:
    """Answer by a branch of one 3x3 convolution and one linear layer, trained by gradients.

    The network itself stays frozen, since it is trained already; the source trains both together.

    Args:
        num_classes: K.
        seed: of its first weights.

    Source: Teerapittayanon, McDanel & Kung (2016), "BranchyNet: Fast inference via early exiting
    from deep neural networks".

    Examples:
        >>> method = TrainedExit(2)
        >>> maps = torch.rand(8, 3, 6, 6)
        >>> method.learn(maps, torch.arange(8) % 2)
        >>> method.answer(maps).sureness.shape
        torch.Size([8])
    """

    epochs = 3

    def __init__(self, num_classes: int, *, seed: int = 0) -> None:
        self._classes, self._seed = num_classes, seed
        self._branch: nn.Module | None = None
        self._optimizer: torch.optim.Optimizer | None = None

    def learn(self, maps: Tensor, labels: Tensor) -> None:
        """Take one step on a batch."""
        if self._branch is None:
            self._build(maps)
        assert self._branch is not None and self._optimizer is not None  # noqa: S101, PT018
        with torch.enable_grad():
            loss = F.cross_entropy(self._branch(maps.detach()), labels)
            self._optimizer.zero_grad()
            torch.autograd.backward(loss)
            self._optimizer.step()

    def _build(self, maps: Tensor) -> None:
        if maps.ndim != 4:
            got = tuple(maps.shape)
            raise InvalidValueError(
                f"methods: expected maps (N, C, H, W) for branchynet, got {got}; leave it out"
            )
        channels = maps.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed)
            self._branch = nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(16 * channels, self._classes),
            )
        self._optimizer = torch.optim.Adam(self._branch.parameters(), RATE)

    @torch.no_grad()
    def answer(self, maps: Tensor) -> Answers:
        """Answer by the branch; the surer, the lower its entropy."""
        assert self._branch is not None  # noqa: S101 - it has learnt
        logs = self._branch(maps).log_softmax(1)
        return Answers(logs.argmax(1), (logs.exp() * logs).sum(1))
