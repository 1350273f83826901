"""Partial forward blocking: samples in dense regions of early features do not go deeper.

Wu et al., Partial Forward Blocking (ICCV 2025), arXiv 2506.23674. Its formulas are at hand from a
summary of the paper, its full text and code are not: what the summary leaves open is decided here,
and each docstring says so under "A reading". The authors train without it at first and at last: of
300 epochs of a Swin-T, 16 to 260 leave samples out. That is for the caller to do.
"""

import math

import torch
from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.skipping.rules import hardest, kept_count

__all__ = [
    "DensityEstimator",
    "bandwidths",
    "log_density",
    "log_importance",
    "pool_channels",
    "update_centres",
]

FLATTEST = 1e-3
"""The least spread of an entry, as a share of the widest: an entry may be dead in all centres."""

TINY = 1e-30


def pool_channels(features: Tensor, *, width: int) -> Tensor:
    """Make features short by averaging neighbouring entries.

    A reading: the paper averages over positions and then reduces the channels; how is left open.

    Args:
        features: `(N, D)`, floats.
        width: entries to leave, at least 1.

    Returns:
        `(N, min(D, width))`.

    Source: after Wu et al., Partial Forward Blocking (ICCV 2025).

    Examples:
        >>> pool_channels(torch.tensor([[1.0, 3.0, 5.0, 7.0]]), width=2)
        tensor([[2., 6.]])
    """
    if features.shape[1] <= width:
        return features
    pooled: Tensor = torch.nn.functional.adaptive_avg_pool1d(features[:, None], width)
    return pooled[:, 0]


def bandwidths(centres: Tensor) -> Tensor:
    """Give the kernel's bandwidth in each entry: `s_d · (4 / ((D + 2)·C)) ** (1 / (D + 4))`.

    A reading: the rule's points are the centres, and s_d their standard deviation. It is not let
    fall below a thousandth of the widest entry's, and is 1 where all centres are the same.

    Args:
        centres: `(C, D)`, floats.

    Returns:
        `(D,)`, above 0.

    Source: Silverman, Density Estimation for Statistics and Data Analysis (1986), section 4.3.

    Examples:
        >>> bandwidths(torch.tensor([[-1.0], [1.0]]))  # (4 / 6) ** (1 / 5)
        tensor([0.9221])
    """
    count, width = centres.shape
    spread = centres.std(dim=0, correction=0)
    widest = spread.max()
    least = (FLATTEST * widest).where(widest > 0, 1.0)
    return spread.maximum(least) * math.pow(4 / ((width + 2) * count), 1 / (width + 4))


def log_density(features: Tensor, centres: Tensor, *, counts: Tensor) -> Tensor:
    """Estimate how densely samples lie around each row: a weighted sum of normal kernels.

    `f(x) = Σ_j (w_j / C)·K_H(x - c_j)` with `w_j` the share of samples counted at centre j, K_H the
    density of a multivariate normal distribution, and H diagonal by Silverman's rule. Its logarithm
    is what is given: f itself underflows in a few dozen dimensions.

    Args:
        features: `(N, D)`, floats.
        centres: `(C, D)`, floats.
        counts: `(C,)`, floats, above 0: the samples nearest to each centre so far.

    Returns:
        `(N,)`, natural logarithms.

    Source: Wu et al., Partial Forward Blocking (ICCV 2025), adaptive distribution estimation.

    Examples:
        >>> centres = torch.tensor([[0.0], [2.0]])
        >>> near, far = log_density(torch.tensor([[0.0], [9.0]]), centres, counts=torch.ones(2))
        >>> bool(near > far)
        True
    """
    width, scale = centres.shape[1], bandwidths(centres)
    # Not by matrix products: they cancel where a row is close to a centre.
    distances = torch.cdist(
        features / scale, centres / scale, compute_mode="donot_use_mm_for_euclid_dist"
    )
    peak = -scale.log().sum() - width / 2 * math.log(2 * math.pi)
    shares = (counts / (counts.sum() * len(centres))).log()
    return (peak + shares - distances.square() / 2).logsumexp(1)


def log_importance(log_densities: Tensor, *, noise: float, generator: torch.Generator) -> Tensor:
    """Score each row by how rare it is: the logarithm of `1 / (f + r)`, `r = a·max f`.

    A reading: each row draws its own a from `U(0, noise)`; one for all would change no ranking.
    Rows far rarer than `noise` times the densest thus stay in random order.

    Args:
        log_densities: `(N,)`, floats, N of at least 1.
        noise: the highest a, at least 0; the published one is 0.01.
        generator: on the CPU, whatever the device of the densities.

    Returns:
        `(N,)`; higher is rarer.

    Raises:
        InvalidValueError: for a negative noise.

    Source: Wu et al., Partial Forward Blocking (ICCV 2025), probability density importance.

    Examples:
        >>> log_importance(torch.tensor([0.0, -1.0]), noise=0, generator=torch.Generator())
        tensor([-0., 1.])
    """
    if not noise >= 0:
        raise InvalidValueError(f"noise: expected at least 0, got {noise}")
    if noise == 0:
        return -log_densities
    alpha = noise * torch.rand(len(log_densities), generator=generator).clamp_min(TINY)
    floor = alpha.log().to(log_densities) + log_densities.max()
    return -torch.logaddexp(log_densities, floor)


def update_centres(
    features: Tensor, centres: Tensor, *, counts: Tensor, rate: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Let each centre follow the mean of the rows nearest to it: `c <- (1 - β)·c + β·mean`.

    A reading: nearest by Euclidean distance; a centre without rows stays where it is.

    Args:
        features: `(N, D)`, floats, of the rows that were kept.
        centres: `(C, D)`, floats.
        counts: `(C,)`, floats, the rows counted at each centre so far.
        rate: β, in [0, 1]; the published one is 0.01.

    Returns:
        The new centres `(C, D)`, and the new counts `(C,)`.

    Source: Wu et al., Partial Forward Blocking (ICCV 2025), adaptive distribution estimation.

    Examples:
        >>> centres, counts = torch.tensor([[0.0], [10.0]]), torch.ones(2)
        >>> update_centres(torch.tensor([[1.0], [3.0]]), centres, counts=counts, rate=0.5)
        (tensor([[ 1.], [10.]]), tensor([3., 1.]))
    """
    distances = torch.cdist(features, centres, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = torch.nn.functional.one_hot(distances.argmin(1), len(centres)).to(features)
    met = nearest.sum(0)
    means = nearest.T @ features / met.clamp_min(1)[:, None]
    moved = torch.lerp(centres, means, rate)
    return moved.where(met[:, None] > 0, centres), counts + met


class DensityEstimator:
    """Score the rows of each batch by how rare their features are, and follow the features.

    It takes the place of a probe in a gate that keeps the highest scores. The centres start as rows
    of the first batches, drawn by the seed, each counted once; this, too, is a reading.

    Args:
        num_centres: C, at least 1; published as "about 100".
        width: entries of the features after `pool_channels`, at least 1. In a hundred entries
            densities lie so far apart that the noise decides among nearly all rows; in 16, hardly.
        keep: the share of each batch that the gate keeps, in (0, 1]: these rows, and only these,
            move the centres. May be set anew at any time.
        rate: β of `update_centres`.
        noise: the highest a of `log_importance`.
        seed: of the first centres and of the noise.

    Raises:
        InvalidValueError: for a value out of range.

    Examples:
        >>> estimator = DensityEstimator(num_centres=4)
        >>> features, labels = torch.rand(16, 3), torch.zeros(16, dtype=torch.int64)
        >>> estimator.step(features, labels).shape
        torch.Size([16])
    """

    def __init__(
        self,
        *,
        num_centres: int = 100,
        width: int = 16,
        keep: float = 1.0,
        rate: float = 0.01,
        noise: float = 0.01,
        seed: int = 0,
    ) -> None:
        if num_centres < 1 or width < 1:
            expected, got = "at least 1 each", f"{num_centres}, {width}"
            raise InvalidValueError(f"num_centres, width: expected {expected}, got {got}")
        if not 0 <= rate <= 1 or not noise >= 0:
            expected, got = "[0, 1] and at least 0", f"{rate}, {noise}"
            raise InvalidValueError(f"rate, noise: expected {expected}, got {got}")
        self.keep = keep
        self._num_centres, self._width, self._rate, self._noise = num_centres, width, rate, noise
        self._generator = torch.Generator().manual_seed(seed)
        self._centres, self._counts = torch.zeros(0, 0), torch.zeros(0)

    @property
    def keep(self) -> float:
        """The share of each batch that the gate keeps, in (0, 1]."""
        return self._keep

    @keep.setter
    def keep(self, keep: float) -> None:
        if not 0 < keep <= 1:
            raise InvalidValueError(f"keep: expected a share in (0, 1], got {keep}")
        self._keep = keep

    @torch.no_grad()
    def step(self, signatures: Tensor, labels: Tensor) -> Tensor:
        """Give each row's score, then let the centres follow the rows that will be kept.

        Args:
            signatures: `(N, D)`, floats; rows that are not finite get a score of NaN and teach
                nothing.
            labels: `(N,)`, int64; the method does without them.

        Returns:
            `(N,)`, float32: `log_importance`, from before the step; higher is rarer.
        """
        finite = signatures.isfinite().all(1)
        if not len(finite) or not bool(finite.all()):
            scores = torch.full_like(signatures[:, 0], torch.nan)
            if bool(finite.any()):
                scores[finite] = self.step(signatures[finite], labels[finite])
            return scores
        features = pool_channels(signatures.float(), width=self._width)
        self._seed_centres(features)
        densities = log_density(features, self._centres, counts=self._counts)
        scores = log_importance(densities, noise=self._noise, generator=self._generator)
        kept = hardest(scores, kept_count(len(scores), self.keep))
        self._centres, self._counts = update_centres(
            features[kept], self._centres, counts=self._counts, rate=self._rate
        )
        return scores

    def _seed_centres(self, features: Tensor) -> None:
        """Draw rows as centres until there are as many as asked for."""
        if not len(self._centres):
            self._centres = features[:0]
        self._centres, self._counts = self._centres.to(features), self._counts.to(features)
        missing = self._num_centres - len(self._centres)
        if missing:
            order = torch.randperm(len(features), generator=self._generator)[:missing]
            new = features[order.to(features.device)]
            self._centres = torch.cat((self._centres, new))
            self._counts = torch.cat((self._counts, torch.ones_like(new[:, 0])))

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the state: `centres` `(C, D)`, `counts` `(C,)`, float32, and `generator`, uint8."""
        return {
            "centres": self._centres.clone(),
            "counts": self._counts.clone(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state that `state_dict` gave.

        Args:
            state: the three tensors by name.

        Raises:
            InvalidValueError: where one is missing, or centres and counts do not fit.
        """
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        centres, counts = shapes.get("centres", ()), shapes.get("counts", ())
        fits = len(centres) == 2 and centres[0] <= self._num_centres and centres[1] <= self._width
        if "generator" not in state or not fits or counts != centres[:1]:
            expected = f"centres, counts, generator of {self._num_centres} centres"
            raise InvalidValueError(f"state: expected {expected}, got {shapes}")
        self._centres, self._counts = state["centres"].clone(), state["counts"].clone()
        self._generator.set_state(state["generator"].cpu())
