"""Where data comes from: known sets, folders, parquet and arrays; and batches of it."""

from imprint.data.augmentation import AUGMENTATIONS, random_crop, random_flip
from imprint.data.batches import Batch, Batches, TensorBatches
from imprint.data.datasets import from_dataset, indexed
from imprint.data.folders import IMAGE_SUFFIXES, FolderImages
from imprint.data.known import KNOWN
from imprint.data.loading import LoaderBatches, batches_of
from imprint.data.picture import read_picture
from imprint.data.scaling import normalisation, normalise
from imprint.data.sources import SOURCES, is_image_folder, load, survey
from imprint.data.splits import stratified_split

__all__ = [
    "AUGMENTATIONS",
    "IMAGE_SUFFIXES",
    "KNOWN",
    "SOURCES",
    "Batch",
    "Batches",
    "FolderImages",
    "LoaderBatches",
    "TensorBatches",
    "batches_of",
    "from_dataset",
    "indexed",
    "is_image_folder",
    "load",
    "normalisation",
    "normalise",
    "random_crop",
    "random_flip",
    "read_picture",
    "stratified_split",
    "survey",
]
