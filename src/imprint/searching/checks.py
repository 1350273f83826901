"""What a gallery refuses."""

from collections.abc import Sequence

from torch import Tensor

from imprint.errors import InvalidValueError
from imprint.searching.about import About
from imprint.searching.signing import Signer

__all__ = ["check_model", "check_query", "check_signatures"]


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


def check_model(uri: str, about: About, signer: Signer) -> None:
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
    own = f"layer {about.layer}, network of {about.run or 'other weights'}"
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
