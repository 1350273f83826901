import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from imprint.allocator import keep_freed_memory

kept = sys.argv[1] == "keep" and keep_freed_memory()

def round():
    tensors = [torch.zeros(int(sys.argv[2]) * 2**20, dtype=torch.uint8) for _ in range(4)]
    return len(tensors)

for _ in range(5):
    round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    round()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how, size, **environment):
    """Whether freed memory is kept, and pages that five rounds of tensors of MiB took anew."""
    clean = {name: own for name, own in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", FAULTS, how, str(size)]
    shown = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, check=True
    ).stdout
    kept, count = map(int, shown.split())
    return bool(kept), count


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_freed_memory_serves_the_next_tensors():
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split("."))) < (2, 36):
        pytest.skip("a C library that keeps less")
    kept, count = faults("keep", 40)
    assert kept
    assert count < 1000
    assert faults("usual", 40)[1] > 10_000  # so large ones are always given back


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_what_a_user_has_set_stays():
    kept, _ = faults("keep", 20, MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept
