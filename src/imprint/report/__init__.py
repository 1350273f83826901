"""From a result to one HTML file that opens with no network."""

from imprint.report.bench import BENCH_COLUMNS, bench_lines, bench_report
from imprint.report.training import train_report, verdict

__all__ = ["BENCH_COLUMNS", "bench_lines", "bench_report", "train_report", "verdict"]
