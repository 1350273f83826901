"""Tracks of an index: heard, seen as a spectrogram, and what is similar to them."""

import hashlib
import tempfile
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from imprint.app.named_folders import NamedFolders
from imprint.app.networks import Networks
from imprint.data import AudioOptions, read_excerpts, read_sound_picture
from imprint.data.excerpts import excerpt_starts
from imprint.data.sounds import read_sound_header
from imprint.errors import InvalidValueError, MissingFileError
from imprint.searching import About, Gallery, Row, Suggested

__all__ = ["Listening", "Sound", "Wishes", "reason_of", "write_excerpt"]

MOST_TRACKS = 2000
"""Tracks that can be chosen from."""

LONGEST = 30.0
"""Seconds of an excerpt that is played."""


class Sound(NamedTuple):
    """An excerpt that can be heard.

    Attributes:
        path: of its file.
        start: where it begins, in seconds; None takes the middle of the file.
        name: what it is called.
    """

    path: Path
    start: float | None
    name: str


class Wishes(NamedTuple):
    """What is liked and what is not, by ids of the index or paths of files that were given.

    Attributes:
        liked: at least the track that was chosen.
        disliked: any number.
    """

    liked: tuple[str | Path, ...] = ()
    disliked: tuple[str | Path, ...] = ()

    def liking(self, own: str) -> "Wishes":
        """Give the same, with one more that is liked."""
        return Wishes((*_without(self.liked, own), own), _without(self.disliked, own))

    def disliking(self, own: str) -> "Wishes":
        """Give the same, with one more that is not; what was chosen first stays liked."""
        if self.liked[:1] == (own,):
            return self
        return Wishes(_without(self.liked, own), (*_without(self.disliked, own), own))


def _without(some: tuple[str | Path, ...], own: str) -> tuple[str | Path, ...]:
    return tuple(each for each in some if each != own)


class Listening:
    """An index of sound, asked for tracks.

    Args:
        uri: of the index.
        folders: that were named.
        networks: of runs, for an index whose signatures are a network's.

    Raises:
        MissingFileError: where there is no index.

    Examples:
        >>> folders = NamedFolders(Path("nowhere"))
        >>> Listening("nowhere.index", folders, Networks(folders))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: index: expected one in nowhere.index, found none
    """

    def __init__(self, uri: str, folders: NamedFolders, networks: Networks) -> None:
        self._gallery = Gallery(uri)
        self._folders, self._networks = folders, networks
        if self._gallery.about is None:
            raise MissingFileError(f"index: expected one in {uri}, found none")
        self.about: About = self._gallery.about

    @property
    def uri(self) -> str:
        """Where it lies."""
        return self._gallery.uri

    @property
    def is_sound(self) -> bool:
        """Whether it is an index of sound."""
        return self.about.audio is not None

    @property
    def audio(self) -> AudioOptions:
        """How its sounds became images."""
        return self.about.audio or AudioOptions()

    @property
    def seconds(self) -> float:
        """Of an excerpt, as it is played."""
        return min(LONGEST, self.audio.seconds or 15.0)

    def tracks(self) -> list[str]:
        """List the ids of its rows, in their order."""
        return sorted(row.id for row in self._gallery.rows(most=MOST_TRACKS))

    def row(self, own: str) -> Row:
        """Give the row of an id."""
        return self._gallery.row(own)

    def sound(self, row: Row | Suggested) -> Sound:
        """Find the file of a row.

        Args:
            row: of the index.

        Returns:
            The excerpt that it is of.

        Raises:
            ImprintError: where the file is not there, or outside of the folders that were named.
        """
        start = row.metadata.get("start_seconds")
        path = self._folders.file(row.path)
        return Sound(path, float(start) if isinstance(start, int | float) else None, row.id)

    def picture(self, sound: Sound) -> Tensor:
        """Make a sound's image, `(2, H, T)`, uint8: log-mel and chroma."""
        return read_sound_picture(sound.path, self.audio, start=sound.start)

    def recommend(self, wishes: Wishes, *, k: int, spread: float = 0.0) -> list[Suggested]:
        """Find tracks similar to what is liked and unlike what is not.

        Args:
            wishes: what these are.
            k: how many.
            spread: how unlike one another, in [0, 1].

        Returns:
            The tracks, the best first; none where all that is liked is silence.

        Raises:
            ImprintError: for a file that is no sound, or an index whose network is not to be had.
        """
        asked = (*wishes.liked, *wishes.disliked)
        files = any(isinstance(own, Path) for own in asked)
        gallery = self._signing if files else self._gallery
        return gallery.recommend(wishes.liked, wishes.disliked, k=k, spread=spread)

    @cached_property
    def _signing(self) -> Gallery:
        """The index with what gives new sounds their signatures."""
        if self._gallery.signer is not None:
            return self._gallery
        if not self.about.run:
            raise InvalidValueError("model: expected the run of the index, which names none")
        trained = self._networks.network(self._folders.run_at(self.about.run), answers=False)
        return Gallery(
            self._gallery.uri,
            model=trained.model,
            layer=self.about.layer,
            normalisation=trained.normalisation,
            deviation=self.about.deviation,
        )


def reason_of(found: Suggested) -> str:
    """Say why a track is recommended.

    Args:
        found: the track.

    Returns:
        A sentence.

    Examples:
        >>> reason_of(Suggested(1, "a", "", 0.9, 0.875, None, None, None, {}))
        'Similarity 0.875 to what you like.'
    """
    said = [f"Similarity {found.similarity:.3f} to what you like"]
    if found.unlike_similarity is not None:
        said.append(f"{found.unlike_similarity:.3f} to what you do not")
    why = ""
    if found.why is not None:
        why = (
            f" Mostly its {found.why.agrees}: timbre {found.why.timbre:.2f}, "
            f"harmony {found.why.harmony:.2f}."
        )
    return f"{', '.join(said)}.{why}"


def write_excerpt(sound: Sound, folder: Path, *, seconds: float, sample_rate: int) -> Path:
    """Write an excerpt to be played: decoded, so that no file is handed out as it lies.

    Args:
        sound: the excerpt.
        folder: where to, the app's own.
        seconds: of it, at most.
        sample_rate: in Hz.

    Returns:
        The file, which is kept where it is there already.

    Raises:
        ImprintError: where it is no sound.

    Examples:
        >>> write_excerpt(Sound(Path("no.wav"), 0, "no"), Path(), seconds=1, sample_rate=8000)
        Traceback (most recent call last):
        imprint.errors.MissingFileError: audio: expected a file no.wav, found none
    """
    import soundfile

    if not sound.path.is_file():
        raise MissingFileError(f"audio: expected a file {sound.path}, found none")
    stamp = sound.path.stat()
    key = f"{sound.path}|{stamp.st_mtime_ns}|{stamp.st_size}|{sound.start}|{seconds}|{sample_rate}"
    made = folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.wav"
    if not made.is_file():
        length = read_sound_header(sound.path).seconds
        seconds = min(seconds, length)
        start = excerpt_starts(length, seconds, 1)[0] if sound.start is None else sound.start
        wave = read_excerpts(sound.path, [start], seconds=seconds, sample_rate=sample_rate)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".wav", delete=False) as whole:
            soundfile.write(whole, wave[0], sample_rate, format="WAV")
        Path(whole.name).replace(made)  # another visitor may hear it just now
    return made
