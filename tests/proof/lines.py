"""Line coverage of the Cython files: every line that can be reached is reached by the tests."""

from __future__ import annotations

import functools
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.proof import allocations, reentry, states
from tests.proof.builds import Failed, Traced, fresh

# The plugin finds an inlined .pxd only if a .pyx happens to come before it: those lines are the mutants' to prove.
SETTINGS = """
[run]
plugins = Cython.Coverage
source = timers
omit = *.pxd
parallel = True
[report]
include = */timers/*.pyx
"""
# Tracing makes a test some fifty times slower: these take long and reach nothing that others do not.
SLOW = " and ".join(
    f"not {name}"
    for names in (
        ("random_operations", "test_crowds", "deep_nesting", "forged_states", "re_entry", "oracle", "every_day"),
        ("slices_leave", "short_line", "5000", "failing_allocations", "references", "burst", "threads"),
        ("snapshots", "boundaries", "collection", "operators", "package", "readme", "cancelling", "Machine"),
        # A tracer takes memory where there shall be none.
        ("search_from_inside", "write_from_inside"),
        ("highest_bit", "due_as_a_whole", "gaps_stay", "copies_of_copies"),
        # Engines and clients, of which `bench` has a part.
        ("test_beam", "test_clients"),
    )
    for name in names
)
# A tracer that has no memory complains.
QUIET = ("-W", "ignore::pytest.PytestUnraisableExceptionWarning")

# A tracer allocates at every line: collections would begin in the middle of a cascade, where the core begins none.
UNCOLLECTED = "import gc, sys; gc.disable(); from coverage.cmdline import main; sys.exit(main())"

# Lines that no test can reach: (file, a part of the line, the reason).
UNREACHABLE: list[tuple[str, str, str]] = [
    (
        "timers/timerset.pyx",
        "restless_error()",
        "needs a collection inside a call, where a tracer starts others",
    ),
    ("timers/timerset.pyx", "again and again", "as above"),
    ("timers/due.pyx", "restless_error()", "as above"),
    ("timers/due.pyx", "            continue", "as above"),
    ("timers/search.pyx", "restless_error()", "as above"),
]


# Lines that no test reaches yet, each as "file: text". Whoever covers one takes it out; none comes in.
UNCOVERED = set(Path(__file__).with_name("uncovered.txt").read_text().splitlines())

# A function that nobody calls, which must be missed.
PLANTED = "planted = NULL"
FUNCTION = f"\n\ncdef void nobody(void *planted) noexcept nogil:\n    {PLANTED}\n"


def unreached() -> tuple[list[str], int]:
    """The lines that no test reached, but for the unreachable ones; and how many there are."""
    with fresh(Traced) as build:
        with (build.folder / "timers/wheel.pyx").open("a") as wheel:
            wheel.write(FUNCTION)
        build.make()
        (build.folder / ".coveragerc").write_text(SETTINGS)
        parts = (("pytest", "-q", "-x", "tests", "-k", SLOW, *QUIET), ("tests.proof.killers",), ("tests.proof.lines",))
        with ThreadPoolExecutor() as pool:
            # Cython's lines report to the tracer in C.
            run = functools.partial(build.run, "-c", UNCOLLECTED, "run", "-m", COVERAGE_CORE="ctrace")
            for part in [pool.submit(run, *part) for part in parts]:
                part.result()
        build.run("-m", "coverage", "combine", "-q")
        build.run("-m", "coverage", "json", "-q", "-o", "lines.json")
        files = json.loads((build.folder / "lines.json").read_text())["files"]
        missing, total = [], 0
        for path, report in files.items():
            lines = (build.folder / path).read_text().splitlines()
            total += len(report["executed_lines"]) + len(report["missing_lines"])
            for number in report["missing_lines"]:
                if not excused(path, lines[number - 1]):
                    missing.append(f"{path}:{number}: {lines[number - 1].strip()}")
        if not any(PLANTED in line for line in missing):
            raise Failed("coverage does not miss a line that nothing runs")
        return [line for line in missing if PLANTED not in line], total - 1


def excused(path: str, line: str) -> bool:
    # The head of a function in C is no statement: its body tells whether it ran.
    return (
        line.lstrip().startswith(("cdef ", "def ", "@"))
        or f"{path}: {line.strip()}" in UNCOVERED
        or any(path == file and part in line for file, part, _ in UNREACHABLE)
    )


def main() -> None:
    """In a traced build: a little of the tools that reach what the tests do not."""
    states.forge(random.Random(1), 1500)
    for case in reentry.cases():
        # The collections that these cases wait for do not come.
        if case[3:] == (70, True, 0, False) and "collection" not in case[0]:
            reentry.run(*case)
    for shape in ("empty", "a few", "48 at once", "a second", "one millisecond", "everywhere", "objects"):
        # Over columns, no line is reached only where memory fails.
        for action in allocations.ACTIONS.keys() - allocations.OF_COLUMNS.keys():
            for twinned, stirred in ((False, False), (True, False), (False, True)):
                if shape != "a second" or twinned is (action == "notify_at"):
                    step = 1 if shape != "a second" else 7
                    allocations.sweep(shape, action, twinned, stirred, False, step=step)


if __name__ == "__main__":
    main()
