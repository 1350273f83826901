"""From a result to one HTML file that opens with no network."""

from imprint.report.attack_pictures import ExampleLook, ShotLook
from imprint.report.attacking import attack_findings, attack_lines, attack_report
from imprint.report.bench import BENCH_COLUMNS, bench_lines, bench_report
from imprint.report.bench_exits import (
    BENCH_EXIT_COLUMNS,
    bench_exit_lines,
    bench_exits_report,
)
from imprint.report.charts import similarity_by_class
from imprint.report.data_pictures import ClassLook, DataPictures, PointMap
from imprint.report.early_exits import (
    EXIT_COLUMNS,
    early_exit_report,
    exit_findings,
    exit_lines,
)
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
from imprint.report.network_words import HEALTH_COLUMNS, health_line, see_findings
from imprint.report.page import Chart
from imprint.report.pictures import Shown, picture, sprite_sheets
from imprint.report.point_chart import point_chart
from imprint.report.reported import Reported
from imprint.report.reproduction import (
    CLAIM_COLUMNS,
    Look,
    PictureRow,
    claim_lines,
    reproduce_report,
    verdict_counts,
)
from imprint.report.same_track import same_track_report
from imprint.report.searching import (
    PairLook,
    QueryLook,
    WhyLook,
    search_findings,
    search_report,
)
from imprint.report.seed_charts import seed_bars, seed_lines
from imprint.report.seeing import see_report
from imprint.report.training import train_report, verdict
from imprint.report.training_on_maps import OnMaps, accuracies_on_maps

__all__ = [
    "BENCH_COLUMNS",
    "BENCH_EXIT_COLUMNS",
    "CLAIM_COLUMNS",
    "EXIT_COLUMNS",
    "HEALTH_COLUMNS",
    "ChannelLook",
    "Chart",
    "ClassLook",
    "DataPictures",
    "EvolutionLook",
    "ExampleLook",
    "Grid",
    "Heat",
    "LayerLook",
    "Look",
    "OnMaps",
    "PairLook",
    "PatchesLook",
    "PictureRow",
    "PointMap",
    "QueryLook",
    "Reported",
    "SeePictures",
    "ShotLook",
    "Shown",
    "WayLook",
    "WhyLook",
    "accuracies_on_maps",
    "attack_findings",
    "attack_lines",
    "attack_report",
    "bench_exit_lines",
    "bench_exits_report",
    "bench_lines",
    "bench_report",
    "claim_lines",
    "early_exit_report",
    "exit_findings",
    "exit_lines",
    "explore_findings",
    "explore_report",
    "health_line",
    "largest",
    "map_grid",
    "overlay",
    "picture",
    "point_chart",
    "reproduce_report",
    "same_track_report",
    "search_findings",
    "search_report",
    "see_findings",
    "see_report",
    "seed_bars",
    "seed_lines",
    "signed_colours",
    "similarity_by_class",
    "sprite_sheets",
    "tile_grid",
    "train_report",
    "verdict",
    "verdict_counts",
]
