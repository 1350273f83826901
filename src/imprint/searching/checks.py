"""What a gallery refuses."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.about import About
from imprint.searching.classical import ClassicalSigner
from imprint.searching.signing import Signer

__all__ = [
    "check_model",
    "check_query",
    "check_recommendation",
    "check_signatures",
    "check_sound",
]

SUGGESTED = 1000
"""Recommendations, at most."""


def check_signatures(signatures: Tensor, ids: Sequence[str], dimensions: int | None) -> None:
    """Check signatures and ids that are to be added.

    Args:
        signatures: `(N, D)`.
        ids: N.
        dimensions: D of the index; None where there is none yet.

    Raises:
        InvalidValueError: where shapes do not fit, an id comes twice or a value is not finite.

    Examples:
        >>> import torch
        >>> check_signatures(torch.ones(2, 4), ["a", "a"], None)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: ids: expected 2, each once; got 2, 1 of them different
    """
    if signatures.ndim != 2 or dimensions not in (None, signatures.shape[1]):
        got = f"{tuple(signatures.shape)}"
        raise InvalidValueError(f"signatures: expected (N, {dimensions or 'D'}), got {got}")
    if len(ids) != len(signatures) or len(set(ids)) != len(ids):
        got = f"{len(ids)}, {len(set(ids))} of them different"
        raise InvalidValueError(f"ids: expected {len(signatures)}, each once; got {got}")
    if not bool(signatures.isfinite().all()):
        raise InvalidValueError("signatures: expected finite values, got others")


def check_model(uri: str, about: About, signer: Signer | ClassicalSigner) -> None:
    """Check that an index holds signatures of this network and layer.

    Args:
        uri: of the index.
        about: what it says of itself.
        signer: the network.

    Raises:
        InvalidValueError: where they are another's.

    Examples:
        >>> from torch import nn
        >>> about = About(dimensions=8, model="0" * 32, layer="block2", run="runs/first")
        >>> check_model("albums.lance", about, Signer(nn.Sequential(nn.ReLU()), "0"))
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model: expected that of albums.lance (layer block2,
        network of runs/first), got layer 0
    """
    if about.model == signer.said["model"]:
        return
    network = f"network of {about.run or 'other weights'}"
    if about.layer == ClassicalSigner.layer:
        network = "no network"
    own = f"layer {about.layer}, {network}"
    got = f"layer {signer.layer}"
    if about.layer == signer.layer:
        got = "other weights, another normalisation or deviation"
    expected = f"that of {uri} ({own if about.layer else 'none, given signatures'})"
    raise InvalidValueError(f"model: expected {expected}, got {got}")


def check_query(signature: Tensor, dimensions: int) -> Tensor:
    """Check the signature of a query.

    Args:
        signature: any tensor.
        dimensions: D of the index.

    Returns:
        The same, `(D,)`, finite.

    Raises:
        InvalidValueError: for another.

    Examples:
        >>> import torch
        >>> check_query(torch.ones(3), 4)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: query: expected a signature (4,), got (3,)
    """
    if signature.shape != (dimensions,):
        got = f"{tuple(signature.shape)}"
        raise InvalidValueError(f"query: expected a signature ({dimensions},), got {got}")
    if not bool(signature.isfinite().all()):
        raise InvalidValueError("query: expected a finite signature, got one with others")
    return signature


def check_sound(about: About | None, signer: Signer | ClassicalSigner, *, is_sound: bool) -> None:
    """Check that images and sound do not go into one index.

    Args:
        about: what the index says of itself; None where there is none yet.
        signer: gives signatures.
        is_sound: whether what is to be added are files of audio.

    Raises:
        InvalidValueError: where they would.

    Examples:
        >>> check_sound(None, ClassicalSigner(), is_sound=False)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: model: expected one for images, got none; only files of
        audio have signatures without
    """
    if not is_sound and isinstance(signer, ClassicalSigner):
        only = "only files of audio have signatures without"
        raise InvalidValueError(f"model: expected one for images, got none; {only}")
    if about is not None and is_sound != (about.audio is not None):
        expected, got = ("images", "audio") if is_sound else ("files of audio", "images")
        raise InvalidValueError(f"data: expected {expected}, as the index has; got {got}")


def check_recommendation(
    like: Sequence[str | Path | Tensor],
    unlike: Sequence[str | Path | Tensor],
    *,
    k: int,
    spread: float,
) -> None:
    """Check what is asked for in a recommendation.

    Args:
        like: what is liked.
        unlike: what is not.
        k: how many.
        spread: how unlike one another.

    Raises:
        InvalidValueError: where nothing is liked, the same is liked and not liked, or a number is
            out of range.

    Examples:
        >>> check_recommendation(["a"], ["a"], k=10, spread=0)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: unlike: expected nothing that is liked, got 'a' in both
    """
    for name, some in (("like", like), ("unlike", unlike)):
        if isinstance(some, str | Path | Tensor):
            raise InvalidValueError(f"{name}: expected a list, got one {type(some).__name__}")
    if not like:
        raise InvalidValueError("like: expected at least one id or file, got none")
    named = [own for own in unlike if not isinstance(own, Tensor)]
    for own in like:
        if not isinstance(own, Tensor) and own in named:
            got = f"{str(own)!r} in both"
            raise InvalidValueError(f"unlike: expected nothing that is liked, got {got}")
    if not 1 <= k <= SUGGESTED:
        raise InvalidValueError(f"k: expected 1 … {SUGGESTED:,}, got {k}")
    if not 0 <= spread <= 1:
        raise InvalidValueError(f"spread: expected 0 … 1, got {spread}")
