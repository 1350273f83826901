"""What an index says of itself: its format, and whose signatures it holds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imprint.data import AudioOptions
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.signatures import Deviation
from imprint.types import Normalisation

__all__ = ["About"]

FORMAT = 1
KEY = b"imprint"


@dataclass(frozen=True, kw_only=True)
class About:
    """What an index says of itself.

    Args:
        dimensions: D of its signatures.
        model: a hash of the network, the layer and how signatures are taken; empty where they
            were given as they are.
        layer: where maps were read.
        deviation: of the signatures, `population` or `paper`.
        shape: channels, height and width that images were brought to.
        normalisation: of these images; None scales bytes to [0, 1].
        run: the folder of the run that the network is of.
        audio: how sound becomes images, the length of an excerpt among it; None for images.

    Examples:
        >>> About.read("x.lance", About(dimensions=8, layer="block2").written()).layer
        'block2'
    """

    dimensions: int
    model: str = ""
    layer: str = ""
    deviation: Deviation = "population"
    shape: tuple[int, int, int] | None = None
    normalisation: Normalisation | None = None
    run: str = ""
    audio: AudioOptions | None = None

    def written(self) -> dict[bytes, bytes]:
        """Give it as the metadata of a schema."""
        return {KEY: json.dumps({"format": FORMAT, **asdict(self)}).encode()}

    @classmethod
    def read(cls, uri: str, metadata: Mapping[bytes, bytes] | None) -> "About":
        """Read it from the metadata of a schema.

        Args:
            uri: of the index, for errors.
            metadata: as `written` gives it.

        Returns:
            The same.

        Raises:
            InvalidValueError: where a newer Imprint wrote it.
            DamagedFileError: where it is none.
        """
        try:
            told: dict[str, Any] = json.loads((metadata or {})[KEY])
            number = int(told.pop("format"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedFileError(f"{uri}: expected an index of Imprint's, got another") from error
        if number > FORMAT:
            got = f"{number}, which a newer Imprint wrote"
            raise InvalidValueError(f"{uri}: expected an index of format {FORMAT}, got {got}")
        try:
            shape, scale = told.pop("shape"), told.pop("normalisation")
            audio = told.pop("audio", None)
            return cls(
                shape=None if shape is None else tuple(shape),
                normalisation=None if scale is None else Normalisation(*map(tuple, scale)),
                audio=None if audio is None else AudioOptions(**audio),
                **told,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{uri}: expected an index of Imprint's, {error}") from error
