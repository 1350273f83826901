"""A gallery: images or sounds with their signatures on disk or in an object store, searched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from numbers import Integral
from pathlib import Path

from torch import Tensor, nn

from imprint.data import AudioOptions, read_picture, read_sound_picture
from imprint.errors import InvalidValueError, MissingFileError
from imprint.searching.about import About
from imprint.searching.adding import Added, add_entries
from imprint.searching.checks import (
    check_model,
    check_query,
    check_recommendation,
    check_signatures,
    check_sound,
)
from imprint.searching.classical import ClassicalSigner
from imprint.searching.files import hash_file
from imprint.searching.filters import Kind, among
from imprint.searching.found import Found, found_of
from imprint.searching.hearing import sound_vectors
from imprint.searching.hubs import nearest_scaled
from imprint.searching.pairs import Pair, near_pairs
from imprint.searching.rows import Metadata, Row, joined_kinds, kinds_of, rows_of
from imprint.searching.signing import Signer
from imprint.searching.sources import entries_of
from imprint.searching.store import Store
from imprint.searching.suggested import Suggested
from imprint.searching.suggesting import Wish, suggest
from imprint.searching.tracks import track_of
from imprint.searching.vanished import vanished
from imprint.signatures import Deviation
from imprint.types import DataPart, ImageSet, Normalisation

__all__ = ["Gallery"]

Shape = tuple[int, int, int]


KEPT = timedelta(hours=1)
"""How long versions are kept that somebody may be reading."""

MOST = 10_000
"""Results of a search, at most."""


class Gallery:
    """Images or sounds with their signatures at a layer of a network, on disk, to be searched.

    Each addition is committed some hundred images at a time: a process that is killed leaves the
    gallery as the last commit left it, and the next `add` goes on from there. Others may read it
    meanwhile; one process at a time may write.

    Args:
        uri: a folder, or an address in an object store such as `s3://bucket/albums.lance`; it is
            made with the first addition.
        model: the network; None for signatures that are given as they are, or to search by id.
        layer: a name out of `model.named_modules()`.
        normalisation: of images in bytes, as the network takes them; None scales them to [0, 1].
        shape: channels, height and width that image files are brought to; None: their own where
            they agree, else the median.
        deviation: of the signatures, as for `imprint.signature`.
        run: where the network comes from, for whoever opens the gallery later.
        batch_size: images that run together.
        audio: how sound becomes images; given without a model, sounds have the classical signatures
            of MFCC and chroma, for which nothing is trained. An index remembers it.
        storage_options: of the object store, as LanceDB names them.

    Attributes:
        uri: likewise.
        signer: what gives images their signatures and maps; None without a model.

    Raises:
        InvalidValueError: where it holds another network's signatures, or is of a newer Imprint.
        LayerError: where the model has no such layer.
        DamagedFileError: where it is no gallery or cannot be read.
        MissingExtraError: without `imprint[search]`.

    Examples:
        >>> import tempfile, torch
        >>> images = torch.randint(256, (6, 1, 8, 8), dtype=torch.uint8)
        >>> album = ImageSet(images, torch.tensor([0, 1] * 3), ("cat", "dog"))
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     gallery = Gallery(f"{folder}/album.lance", model=model, layer="0")
        ...     added = gallery.add(album)
        ...     found = gallery.search(images[2], k=3, where="label = 'cat'")
        >>> added.added, found[0].id, round(found[0].similarity, 3)
        (6, 'all/2', 1.0)
    """

    def __init__(
        self,
        uri: str | Path,
        *,
        model: nn.Module | None = None,
        layer: str | None = None,
        normalisation: Normalisation | None = None,
        shape: Shape | None = None,
        deviation: Deviation = "population",
        run: str = "",
        batch_size: int = 32,
        audio: AudioOptions | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        if batch_size < 1:
            raise InvalidValueError(f"batch_size: expected at least 1, got {batch_size}")
        if (model is None) != (layer is None):
            raise InvalidValueError("layer: expected one with a model, and none without")
        self.uri, self._options, self._batch_size = str(uri), storage_options, batch_size
        self._store = Store.open(self.uri, storage_options)
        self.signer: Signer | ClassicalSigner | None = None
        if model is not None and layer is not None:
            self.signer = Signer(model, layer, normalisation, deviation)
        elif audio is not None if self._store is None else _is_classical(self._store.about):
            self.signer = ClassicalSigner()
        said = self.signer.said if self.signer else {}
        self._new = About(dimensions=1, shape=shape, run=run, audio=audio, **said)
        if self._store and self.signer:
            check_model(self.uri, self._store.about, self.signer)

    def __len__(self) -> int:
        return self.count()

    @property
    def about(self) -> About | None:
        """What the gallery says of itself: layer, dimensions, run; None where it is empty yet."""
        return self._store.about if self._store else None

    def add(
        self,
        source: str | Path | ImageSet | DataPart,
        *,
        metadata: Metadata | None = None,
        on_total: Callable[[int], None] = lambda _: None,
        on_added: Callable[[Added], None] = lambda _: None,
        on_broken: Callable[[str, str], None] = lambda _id, _reason: None,
    ) -> Added:
        """Add images; those that are there unchanged are skipped, changed ones replaced.

        Args:
            source: a folder of images (all below it), an image file, audio or a data set as for
                `imprint.load`, or images with their labels. An image is named by its path in the
                folder, or by the set's part and its number; an excerpt by its file's path, and its
                number where the file has several.
            metadata: values by id and column; a column `label` takes the label's place. A row
                that is there keeps the columns that they leave out; None takes a value away.
            on_total: called with the number of images.
            on_added: called with what came so far, after each commit.
            on_broken: called with id and reason for each image that cannot be read.

        Returns:
            What came of it.

        Raises:
            InvalidValueError: without a model, or for metadata that fit no column.
            MissingFileError: where there is no such data.
            StorageError: where the disk is full or read-only; what was committed stays.
        """
        signer, kinds = self._signing(), kinds_of((metadata or {}).values())
        entries = entries_of(source, self._shape, self._audio)
        check_sound(self.about, signer, is_sound=entries.audio is not None)
        on_total(entries.total + len(entries.refused))
        self._new = replace(self._new, shape=entries.shape, audio=entries.audio)
        kinds = joined_kinds(entries.kinds, kinds)
        if self._store:
            self._store.widen(kinds)
        added = add_entries(
            entries,
            signer,
            metadata or {},
            self._store,
            partial(self._create, kinds),
            batch_size=self._batch_size,
            on_added=on_added,
            on_broken=on_broken,
        )
        if self._store:
            self._store.tidy(KEPT)
        return added

    def add_signatures(
        self,
        signatures: Tensor,
        ids: Sequence[str],
        *,
        labels: Sequence[str | None] | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        """Add signatures that are there already, in one commit; an id that is there is replaced.

        Call `compact` after the last of many, which arranges them for the search.

        Args:
            signatures: `(N, D)`, finite.
            ids: N, each once.
            labels: N classes; None for none.
            metadata: values by id and column.

        Raises:
            InvalidValueError: where shapes do not fit, an id comes twice, or a value is not finite.
            StorageError: where the disk is full or read-only.
        """
        if self._store and self._store.about.model and self.signer is None:
            raise InvalidValueError("model: expected that of the gallery, got none")
        check_signatures(signatures, ids, self._store.about.dimensions if self._store else None)
        cells = metadata or {}
        kinds = kinds_of(cells.values())
        store = self._store or self._create(kinds, signatures.shape[1])
        store.widen(kinds)
        if ids:
            rows = rows_of(ids, [None] * len(ids) if labels is None else labels, cells)
            store.put(rows, signatures, known=store.knows(ids))

    def search(
        self,
        query: str | Path | Tensor,
        *,
        k: int = 10,
        where: str | None = None,
        local_scaling: bool = False,
    ) -> list[Found]:
        """Find the images or sounds most similar to a query.

        Args:
            query: an id, which does not find itself; the path of an image or a file of audio, of
                which the excerpt in its middle counts; an image `(C, H, W)`, uint8 or floats as the
                network takes them; or a signature `(D,)`.
            k: how many, in 1 … 10,000.
            where: a filter, applied before, such as `collection = 'x' AND year >= 1999`.
            local_scaling: rank the nearest rows by their similarity less half of the mean that each
                has with the ten other tracks nearest to it, so that rows which are near to
                everything do not come up everywhere.

        Returns:
            At most k rows, most similar first, or first what local scaling ranks first. A signature
            of zeros finds nothing and is never found.

        Raises:
            InvalidValueError: for a k, a filter or a query that will not do.
            MissingFileError: where there is no such id or file, or the gallery is empty yet.
        """
        store = self._opened()
        if not isinstance(k, Integral) or not 1 <= k <= MOST:
            raise InvalidValueError(f"k: expected 1 … {MOST:,}, got {k}")
        signature, itself = self.signature_of(query), query if isinstance(query, str) else None
        number, leaving = int(k) + (itself is not None), store.filter(where)
        nearest = partial(nearest_scaled, store) if local_scaling else store.nearest
        return found_of(nearest(signature, number, leaving), itself, k)

    def recommend(
        self,
        like: Sequence[str | Path | Tensor],
        unlike: Sequence[str | Path | Tensor] = (),
        *,
        k: int = 10,
        spread: float = 0.0,
        where: str | None = None,
        local_scaling: bool = False,
    ) -> list[Suggested]:
        """Find what is similar to what is liked, and unlike what is not.

        Args:
            like: at least one query, each as for `search`.
            unlike: what is not liked, likewise.
            k: how many tracks, in 1 … 1,000; rows without a column `track` are tracks of their own.
            spread: in [0, 1]; 0 ranks by likeness alone, more keeps results unlike one another.
            where: a filter, applied before.
            local_scaling: rank the best row of each of the nearest tracks as for `search`.

        Returns:
            At most k rows, the best first: one of each track, and none of a track that was named.

        Raises:
            InvalidValueError: for a wish, a number or a filter that will not do.
            MissingFileError: where there is no such id or file, or the gallery is empty yet.
        """
        check_recommendation(like, unlike, k=k, spread=spread)
        store = self._opened()
        liked = [self._wish(store, own, "like") for own in like]
        disliked = [self._wish(store, own, "unlike") for own in unlike]
        leaving = store.filter(where)
        return suggest(
            store, liked, disliked, k=k, spread=spread, where=leaving, local_scaling=local_scaling
        )

    def image_of(self, path: Path) -> Tensor:
        """Read a file as the gallery's are read, `(C, H, W)`, uint8; of audio its middle."""
        if self._audio is not None:
            return read_sound_picture(path, self._audio)
        return read_picture(path, shape=self._shape)

    def row(self, own: str) -> Row:
        """Give the row of an id."""
        return self._opened().known(own).row

    def rows(self, *, most: int = MOST, where: str | None = None) -> list[Row]:
        """Give rows in the order in which they lie: the first `most` of those a filter leaves."""
        store = self._opened()
        return store.listed(most, store.filter(where))

    def signature_of(self, query: str | Path | Tensor) -> Tensor:
        """Give the signature of a query: `(D,)`; see `search`."""
        if isinstance(query, str):
            return self._opened().known(query).signature
        if isinstance(query, Path):
            query = self.image_of(query)
        signature = query if query.ndim == 1 else self._signing()(query[None])[0]
        return check_query(signature, self._opened().about.dimensions)

    def near_duplicates(
        self, least: float = 0.999, *, where: str | None = None, most: int = 1000
    ) -> list[Pair]:
        """Find pairs of images whose signatures are almost the same.

        Args:
            least: the similarity from which they are, in (0, 1].
            where: a filter on both.
            most: pairs to give, the most similar ones.

        Returns:
            The pairs, most similar first; above 50,000 rows, pairs among the 20 nearest of each.
        """
        store = self._opened()
        return near_pairs(store, least, store.filter(where), most=most)

    def delete(self, ids: Sequence[str] | None = None, *, where: str | None = None) -> int:
        """Delete rows by id or by a filter.

        Args:
            ids: of the rows; those that are not there are passed over.
            where: a filter, in place of ids.

        Returns:
            How many there were.
        """
        if (ids is None) == (where is None):
            raise InvalidValueError("ids: expected either ids or where")
        store = self._opened()
        return store.delete(store.filter(where) or among(ids or [""]))

    def prune(self) -> int:
        """Delete the rows whose file is gone, and those of excerpts that their file has no more.

        Returns:
            How many there were.

        Raises:
            MissingFileError: where every file is gone, as of a disk that is not mounted.
        """
        store = self._opened()
        ids = vanished(store.files())
        parts = (ids[start : start + MOST] for start in range(0, len(ids), MOST))
        return sum(store.delete(among(part)) for part in parts)

    def count(self, where: str | None = None) -> int:
        """Count the rows, or those that a filter leaves."""
        return self._store.count(self._store.filter(where)) if self._store else 0

    def compact(self, *, keep: timedelta = KEPT) -> None:
        """Merge small files, arrange rows for the search, and remove old versions.

        Args:
            keep: how long versions are kept that somebody may be reading.
        """
        if self._store:
            self._store.compact(keep)

    def _wish(self, store: Store, own: str | Path | Tensor, argument: str) -> Wish:
        """What is known of something that is liked, or not."""
        if isinstance(own, str):
            stored = store.known(own, argument)
            return Wish(stored.signature, stored.sound, {track_of(stored.row)})
        image = self.image_of(own) if isinstance(own, Path) else own
        copies = store.copies(hash_file(own)) if isinstance(own, Path) else []
        is_sound = self._audio is not None and image.ndim == 3
        sound = sound_vectors(image[None])[0] if is_sound else None
        return Wish(self.signature_of(image), sound, {track_of(row) for row in copies})

    @property
    def _audio(self) -> AudioOptions | None:
        return self._store.about.audio if self._store else self._new.audio

    @property
    def _shape(self) -> Shape | None:
        return self._store.about.shape if self._store else self._new.shape

    def _opened(self) -> Store:
        self._store = self._store or Store.open(self.uri, self._options)
        if self._store is None:
            raise MissingFileError(f"index: expected one in {self.uri}, found none")
        return self._store

    def _signing(self) -> Signer | ClassicalSigner:
        if self.signer is None:
            raise InvalidValueError("model: expected one and a layer to take signatures, got none")
        return self.signer

    def _create(self, kinds: Mapping[str, Kind], dimensions: int) -> Store:
        about = replace(self._new, dimensions=dimensions)
        self._store = Store.create(self.uri, about, self._options)
        self._store.widen(kinds)
        return self._store


def _is_classical(about: About) -> bool:
    return bool(about.model == ClassicalSigner().said["model"])
