"""From a result to one HTML file that opens with no network."""

from imprint.report.bench import BENCH_COLUMNS, bench_lines, bench_report
from imprint.report.data_pictures import ClassLook, DataPictures, PointMap
from imprint.report.exploring import explore_findings, explore_report
from imprint.report.grids import Grid, largest, map_grid, overlay, signed_colours, tile_grid
from imprint.report.network_pictures import (
    ChannelLook,
    EvolutionLook,
    Heat,
    LayerLook,
    PatchesLook,
    SeePictures,
    WayLook,
)
from imprint.report.pictures import Shown, picture, sprite_sheets
from imprint.report.seeing import HEALTH_COLUMNS, health_line, see_findings, see_report
from imprint.report.training import train_report, verdict
from imprint.report.training_on_maps import OnMaps, accuracies_on_maps

__all__ = [
    "BENCH_COLUMNS",
    "HEALTH_COLUMNS",
    "ChannelLook",
    "ClassLook",
    "DataPictures",
    "EvolutionLook",
    "Grid",
    "Heat",
    "LayerLook",
    "OnMaps",
    "PatchesLook",
    "PointMap",
    "SeePictures",
    "Shown",
    "WayLook",
    "accuracies_on_maps",
    "bench_lines",
    "bench_report",
    "explore_findings",
    "explore_report",
    "health_line",
    "largest",
    "map_grid",
    "overlay",
    "picture",
    "see_findings",
    "see_report",
    "signed_colours",
    "sprite_sheets",
    "tile_grid",
    "train_report",
    "verdict",
]
