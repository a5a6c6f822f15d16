"""The command line of the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "bench").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
for extra in ("rich", "matplotlib", "sortedcontainers", "psutil", "apachelogs", "numpy"):
    pytest.importorskip(extra, reason="the benchmarks need their extra")


@pytest.mark.parametrize(
    "words, reason",
    {
        "--bars --seconds 5": "--seconds does nothing with --bars",
        "--only inserts": "--only does nothing alone",
        "--memory --rate 5": "--rate does nothing with --memory",
        "--rounds 0": "--rounds must be at least 1",
        "--bars --only none": "no group is called so",
        "--trace none": "cannot read none",
    }.items(),
)
def test_what_is_refused(words: str, reason: str) -> None:
    ended = subprocess.run([sys.executable, "-m", "bench", *words.split()], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode and reason in ended.stderr
