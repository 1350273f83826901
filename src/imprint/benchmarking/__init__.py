"""Methods side by side: what each saves, and what it costs in accuracy."""

from imprint.benchmarking.exit_choice import EXIT_METHODS
from imprint.benchmarking.exits import bench_exits
from imprint.benchmarking.skipping import FROZEN, METHODS, BenchSettings, bench_skip

__all__ = ["EXIT_METHODS", "FROZEN", "METHODS", "BenchSettings", "bench_exits", "bench_skip"]
