"""A look at data: centroids, outliers, duplicates, label issues, neighbours, maps of the set."""

from imprint.exploring.duplicates import digests, equal_groups, joined_groups, near_pairs
from imprint.exploring.embedding import Embedding, principal_components, tsne
from imprint.exploring.extras import require
from imprint.exploring.label_issues import LabelIssues, label_issues
from imprint.exploring.moments import ClassMoments
from imprint.exploring.neighbours import (
    confused_pairs,
    nearest_neighbours,
    neighbour_votes,
)
from imprint.exploring.outliers import Fences, fences_of, outlier_scores, own_distances
from imprint.exploring.quality import NOISE, Quality, quality
from imprint.exploring.spectra import aligned_correlation, shrink, spectrum, thumbnails

__all__ = [
    "NOISE",
    "ClassMoments",
    "Embedding",
    "Fences",
    "LabelIssues",
    "Quality",
    "aligned_correlation",
    "confused_pairs",
    "digests",
    "equal_groups",
    "fences_of",
    "joined_groups",
    "label_issues",
    "near_pairs",
    "nearest_neighbours",
    "neighbour_votes",
    "outlier_scores",
    "own_distances",
    "principal_components",
    "quality",
    "require",
    "shrink",
    "spectrum",
    "thumbnails",
    "tsne",
]
