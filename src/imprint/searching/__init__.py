"""Find what is similar: signatures on disk or in an object store, searched by cosine."""

from imprint.searching.about import About
from imprint.searching.adding import Added
from imprint.searching.agreement import Agreement, channel_agreement, strongest_agreement
from imprint.searching.classical import ClassicalSigner
from imprint.searching.entries import Entry
from imprint.searching.filters import read_filter
from imprint.searching.found import Found
from imprint.searching.gallery import Gallery
from imprint.searching.hearing import sound_features, sound_vectors
from imprint.searching.hubs import scaled_locally
from imprint.searching.metadata import read_metadata
from imprint.searching.pairs import Pair
from imprint.searching.parts_of_sound import agreeing_parts, part_similarities
from imprint.searching.recommending import first_of_each, spread_out, taste
from imprint.searching.rows import Metadata, Row
from imprint.searching.signing import Signer
from imprint.searching.sources import entries_of
from imprint.searching.storage import is_remote
from imprint.searching.suggested import Suggested, Why

__all__ = [
    "About",
    "Added",
    "Agreement",
    "ClassicalSigner",
    "Entry",
    "Found",
    "Gallery",
    "Metadata",
    "Pair",
    "Row",
    "Signer",
    "Suggested",
    "Why",
    "agreeing_parts",
    "channel_agreement",
    "entries_of",
    "first_of_each",
    "is_remote",
    "part_similarities",
    "read_filter",
    "read_metadata",
    "scaled_locally",
    "sound_features",
    "sound_vectors",
    "spread_out",
    "strongest_agreement",
    "taste",
]
