"""How fast `imprint app` is there: from its start, and from opening the page to its tabs.

python benchmarks/bench_app.py    # needs Debian's chromium
"""

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from record import record

TO_REACH = 2.0
"""Seconds from opening the page to its tabs."""


def started(runs: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Start the app: the process, the page's address, and the seconds that it took."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "imprint.cli", "app", "--port", "0", "--runs", str(runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[3].rstrip(";")
    return process, address, time.perf_counter() - begun


def opened(browser: Browser, address: str) -> dict[str, float]:
    """Seconds of one visit with an empty cache: to the tabs, and to the curves of a run."""
    context = browser.new_context()
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_role("tab", name="Listen").wait_for()
    tabs = time.perf_counter() - begun
    page.locator(".gtitle", has_text="Training loss").wait_for()
    curves = time.perf_counter() - begun
    context.close()
    return {"tabs": tabs, "curves": curves}


def a_run(folder: Path) -> None:
    """Train for an epoch, so that there is something to show."""
    command = [sys.executable, "-m", "imprint.cli", "train", "mnist", "--epochs", "1"]
    subprocess.run(
        [*command, "--skip", "imprint", "--out", str(folder)], check=True, capture_output=True
    )


def main() -> None:
    """Measure, and write `results/app.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=11)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        runs = Path(place) / "runs"
        a_run(runs / "first")
        process, address, start = started(runs)
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visits = [opened(browser, address) for _ in range(options.visits)]
        browser.close()
        process.send_signal(signal.SIGINT)
        process.wait()
    seconds: dict[str, Any] = {key: [visit[key] for visit in visits] for key in visits[0]}
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    print(medians, "start", start)
    print(record("app", {"start": start, "seconds": seconds, "to_reach": {"tabs": TO_REACH}}))


if __name__ == "__main__":
    main()
