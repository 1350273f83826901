"""Methods side by side: what each saves, and what it costs in accuracy."""

from imprint.benchmarking.exits import EXIT_METHODS, bench_exits
from imprint.benchmarking.skipping import METHODS, BenchSettings, bench_skip

__all__ = ["EXIT_METHODS", "METHODS", "BenchSettings", "bench_exits", "bench_skip"]
