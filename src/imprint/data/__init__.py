"""Where data comes from: known sets, folders, parquet audio and arrays; and batches of it."""

from imprint.data.augmentation import AUGMENTATIONS, random_crop, random_flip
from imprint.data.batches import Batch, Batches, TensorBatches
from imprint.data.datasets import from_dataset, indexed
from imprint.data.folders import IMAGE_SUFFIXES, FolderImages
from imprint.data.known import KNOWN
from imprint.data.loading import LoaderBatches, batches_of
from imprint.data.parts import spelled
from imprint.data.picture import read_picture
from imprint.data.scaling import normalisation, normalise
from imprint.data.sound_picture import read_sound_picture
from imprint.data.sounds import AUDIO_SUFFIXES, read_excerpts
from imprint.data.source import AudioOptions
from imprint.data.sources import SOURCES, is_audio, is_image_folder, load, survey
from imprint.data.splits import drawn_groups, grouped_split, stratified_split

__all__ = [
    "AUDIO_SUFFIXES",
    "AUGMENTATIONS",
    "IMAGE_SUFFIXES",
    "KNOWN",
    "SOURCES",
    "AudioOptions",
    "Batch",
    "Batches",
    "FolderImages",
    "LoaderBatches",
    "TensorBatches",
    "batches_of",
    "drawn_groups",
    "from_dataset",
    "grouped_split",
    "indexed",
    "is_audio",
    "is_image_folder",
    "load",
    "normalisation",
    "normalise",
    "random_crop",
    "random_flip",
    "read_excerpts",
    "read_picture",
    "read_sound_picture",
    "spelled",
    "stratified_split",
    "survey",
]
