"""From a result to one HTML file that opens with no network."""

from imprint.report.training import train_report, verdict

__all__ = ["train_report", "verdict"]
