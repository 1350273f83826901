"""Train a network, with or without skipping, from data to result."""

from imprint.training.cross_fit import check_network, cross_fit
from imprint.training.embedding import STATISTICS, Embedding
from imprint.training.engine import find_device
from imprint.training.job import train
from imprint.training.kept_maps import KeptMaps, MapKeeper, read_kept_maps, spread_rows
from imprint.training.mapped import base_weights, train_on_maps
from imprint.training.mapped_data import map_splits
from imprint.training.planning import plan_skip
from imprint.training.progress import Progress
from imprint.training.same_track import SameTrackSettings, train_same_track
from imprint.training.settings import TrainSettings
from imprint.training.tracks import held_out_tracks, split_tracks
from imprint.training.trained import Trained, load_trained, runs_foreign_code

__all__ = [
    "STATISTICS",
    "Embedding",
    "KeptMaps",
    "MapKeeper",
    "Progress",
    "SameTrackSettings",
    "TrainSettings",
    "Trained",
    "base_weights",
    "check_network",
    "cross_fit",
    "find_device",
    "held_out_tracks",
    "load_trained",
    "map_splits",
    "plan_skip",
    "read_kept_maps",
    "runs_foreign_code",
    "split_tracks",
    "spread_rows",
    "train",
    "train_on_maps",
    "train_same_track",
]
