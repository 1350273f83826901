"""Methods side by side: what each saves, and what it costs in accuracy."""

from imprint.benchmarking.skipping import METHODS, BenchSettings, bench_skip

__all__ = ["METHODS", "BenchSettings", "bench_skip"]
