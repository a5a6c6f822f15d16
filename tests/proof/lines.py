"""Line coverage of the Cython files: every line that can be reached is reached by the tests."""

from __future__ import annotations

import json

from tests.proof.builds import ROOT, Failed, Traced, fresh

SETTINGS = "[run]\nplugins = Cython.Coverage\nsource = timers\nparallel = True\n"
# Tracing makes a test some fifty times slower: these take long and reach nothing that others do not.
SLOW = " and ".join(
    f"not {name}"
    for name in (
        *("many_random", "crowd", "deep_nesting", "forged_states", "re_entry", "oracle", "every_day", "slices_leave"),
        *(
            "short_line",
            "size_counts",
            "5000",
            "failing_allocations",
            "references",
            "burst",
            "threads",
            "operators",
            "package",
            "readme",
            "cancelling",
        ),
    )
)
# A tracer that has no memory complains.
QUIET = ("-W", "ignore::pytest.PytestUnraisableExceptionWarning")

# Lines that no test can reach: (file, a part of the line, the reason).
UNREACHABLE: list[tuple[str, str, str]] = []


def unreached(planted: str = "") -> tuple[list[str], int]:
    """The lines that no test reached, but for the unreachable ones; and how many there are. `planted` is added."""
    with fresh(Traced) as build:
        with (build.folder / "timers/wheel.pyx").open("a") as wheel:
            wheel.write(planted)
        build.make()
        (build.folder / ".coveragerc").write_text(SETTINGS)
        # Python's own tracer, which Cython's lines report to.
        build.run(
            "-m", "coverage", "run", "-m", "pytest", "-q", "-x", "tests", "-k", SLOW, *QUIET, COVERAGE_CORE="ctrace"
        )
        build.run("-m", "coverage", "run", "-m", "tests.proof.killers", COVERAGE_CORE="ctrace")
        build.run("-m", "coverage", "combine", "-q")
        build.run("-m", "coverage", "json", "-q", "-o", "lines.json")
        files = json.loads((build.folder / "lines.json").read_text())["files"]
        missing, total = [], 0
        for path, report in files.items():
            if not path.endswith((".pyx", ".pxd")):
                continue
            lines = (build.folder / path).read_text().splitlines()
            total += len(report["executed_lines"]) + len(report["missing_lines"])
            for number in report["missing_lines"]:
                text = lines[number - 1].strip()
                if not excused(path, text):
                    missing.append(f"{path}:{number}: {text}")
        if not total:
            raise Failed(f"coverage saw no line of a Cython file; the sources are in {ROOT}")
        return missing, total


def excused(path: str, text: str) -> bool:
    # The head of a function in C is no statement: its body tells whether it ran.
    return text.startswith(("cdef ", "def ", "@")) or any(
        path == file and part in text for file, part, _ in UNREACHABLE
    )
