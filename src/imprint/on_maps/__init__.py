"""Feature maps as a training set: taken once, stored, and made into images; or a frozen prefix."""

from imprint.on_maps.extraction import Extraction, extract
from imprint.on_maps.forms import Form, map_images, map_planes
from imprint.on_maps.frozen import frozen_prefix
from imprint.on_maps.prefix import Rest
from imprint.on_maps.settings import Init, MapSettings
from imprint.on_maps.stage import Stage, activation_after, stage_maps
from imprint.on_maps.store import MapStore, StoredMaps, check_space

__all__ = [
    "Extraction",
    "Form",
    "Init",
    "MapSettings",
    "MapStore",
    "Rest",
    "Stage",
    "StoredMaps",
    "activation_after",
    "check_space",
    "extract",
    "frozen_prefix",
    "map_images",
    "map_planes",
    "stage_maps",
]
