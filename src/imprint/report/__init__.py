"""From a result to one HTML file that opens with no network."""

from imprint.report.bench import BENCH_COLUMNS, bench_lines, bench_report
from imprint.report.exploring import (
    ClassLook,
    DataPictures,
    PointMap,
    explore_findings,
    explore_report,
)
from imprint.report.pictures import Shown, picture, sprite_sheets
from imprint.report.training import train_report, verdict

__all__ = [
    "BENCH_COLUMNS",
    "ClassLook",
    "DataPictures",
    "PointMap",
    "Shown",
    "bench_lines",
    "bench_report",
    "explore_findings",
    "explore_report",
    "picture",
    "sprite_sheets",
    "train_report",
    "verdict",
]
