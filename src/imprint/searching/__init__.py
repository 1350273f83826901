"""Find what is similar: signatures on disk or in an object store, searched by cosine."""

from imprint.searching.about import About
from imprint.searching.adding import Added
from imprint.searching.agreement import Agreement, channel_agreement, strongest_agreement
from imprint.searching.entries import Entry, spelled
from imprint.searching.filters import read_filter
from imprint.searching.found import Found
from imprint.searching.gallery import Gallery
from imprint.searching.metadata import read_metadata
from imprint.searching.pairs import Pair
from imprint.searching.rows import Metadata
from imprint.searching.signing import Signer
from imprint.searching.sources import entries_of
from imprint.searching.storage import is_remote

__all__ = [
    "About",
    "Added",
    "Agreement",
    "Entry",
    "Found",
    "Gallery",
    "Metadata",
    "Pair",
    "Signer",
    "channel_agreement",
    "entries_of",
    "is_remote",
    "read_filter",
    "read_metadata",
    "spelled",
    "strongest_agreement",
]
