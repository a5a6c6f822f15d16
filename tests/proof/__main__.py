"""`python -m tests.proof TOOL`: the full counts of what the test suite runs in short.

`all` runs one tool after the other. Every tool prints its seed, which repeats the run, shows its progress, and ends
with a line of what it counted; on failure with the smallest case that it knows, and a non-zero exit.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

try:
    from rich.console import Console

    from tests.proof.pool import Failure, crashes, spread
except ImportError as error:
    sys.exit(f"{error}: the tools need an extra: pip install -e '.[proof]'")

from tests import driver, keyed
from tests.configs import CONFIGS
from tests.proof import (
    allocations,
    boundaries,
    faults,
    leaks,
    lines,
    mutants,
    nested,
    reentry,
    snapshots,
    states,
    threads,
    warned,
)
from tests.proof.builds import Build, Failed, Low, Raced, Sanitized, fresh

console = Console()
# Operations of one run: long enough for large notifiers, short enough to shrink.
RUN = 20_000
# The dict is sorted at every question.
KEY_RUN = 4000
Arguments = argparse.Namespace
BUILDS: dict[str, type[Build]] = {"plain": Build, "low": Low, "sanitized": Sanitized}


def say(*words: object) -> None:
    console.print(*words, markup=False, highlight=False, soft_wrap=True)


def command(arguments: Arguments, tool: str) -> str:
    return f"python -m tests.proof {tool} --seed {arguments.seed}"


def report(tool: str, counted: str, failure: Failure | None, started: float) -> bool:
    minutes = (time.monotonic() - started) / 60
    if failure is not None:
        say(f"FAILED {tool} {failure.case}\n{failure.reason}")
        return False
    say(f"{tool}: {counted}, no fault, {minutes:.1f} minutes")
    return True


# ---- operations


def operate(name: str, seed: int, count: int, check: bool) -> int:
    return driver.run(CONFIGS[name], count, seed, check)


def runs(seed: int, count: int, check: bool, only: str = "") -> Iterator[tuple[str, int, int, bool]]:
    chosen = [name for name in CONFIGS if only in name]
    if not chosen:
        raise SystemExit(f"operations: no configuration has {only!r} in its name")
    names = itertools.cycle(chosen)
    for number in itertools.count():
        if count <= 0:
            return
        yield next(names), seed * 10**9 + number, min(RUN, count), check
        count -= RUN


class Log:
    """A trace that outlives a crash: each operation is written before it is applied."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)

    def append(self, operation: driver.Operation) -> None:
        self.file.write(pickle.dumps(operation))

    @staticmethod
    def read(path: Path) -> driver.Trace:
        trace = []
        with path.open("rb") as file:
            while True:
                try:
                    trace.append(pickle.load(file))
                except EOFError:
                    return trace


def logged(name: str, seed: int, count: int, check: bool, path: Path) -> None:
    driver.run(CONFIGS[name], count, seed, check, Log(path))


def minimal(name: str, seed: int, count: int, check: bool) -> driver.Trace | None:
    """The shortest list of operations that still fails, crashes included; None if they do not fail again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        crashes(logged, name, seed, count, check, path, patience=600)
        trace = Log.read(path)
    config = CONFIGS[name]
    fails: Callable[[driver.Trace], bool] = lambda part: crashes(driver.replay, config, part, patience=20)  # noqa: E731
    return driver.shrink(trace, fails) if fails(trace) else None


def operations(arguments: Arguments) -> bool:
    good = True
    for count, check in ((arguments.checked, True), (arguments.count, False)):
        started = time.monotonic()
        title = "operations, every invariant checked" if check else "operations"
        chosen = runs(arguments.seed, count, check, arguments.only)
        done, failure = spread(title, operate, chosen, count, arguments.jobs)
        good = report(title, f"{done:,} against the oracle", failure, started)
        if failure is not None:
            name, seed, length, check = failure.case
            say(f"repeat: python -m tests.proof replay {name!r} {seed} {length}{' --check' * check}")
            trace = minimal(name, seed, length, check)
            say("It does not repeat." if trace is None else "smallest case:\n  " + "\n  ".join(map(repr, trace)))
            return False
    return good


def key_runs(seed: int, count: int, check: bool) -> Iterator[tuple[str, str, int, int, bool]]:
    kinds = itertools.cycle(itertools.product(keyed.KEYS, keyed.TIMES))
    for number in itertools.count():
        if count <= 0:
            return
        yield (*next(kinds), min(KEY_RUN, count), seed * 10**9 + number, check)
        count -= KEY_RUN


def keys(arguments: Arguments) -> bool:
    for count, check in ((arguments.checked, True), (arguments.count, False)):
        started = time.monotonic()
        title = "operations on keys, every invariant checked" if check else "operations on keys"
        done, failure = spread(title, keyed.run, key_runs(arguments.seed, count, check), count, arguments.jobs)
        if not report(title, f"{done:,} against a dict", failure, started):
            return False
    return True


def replay(arguments: Arguments) -> bool:
    trace = minimal(arguments.config, arguments.run_seed, arguments.length, arguments.check)
    say("no failure" if trace is None else "smallest case:\n  " + "\n  ".join(map(repr, trace)))
    return trace is None


# ---- the other tools that run on the present build


def edges(arguments: Arguments) -> bool:
    started = time.monotonic()
    cursors = boundaries.cursors(arguments.cursors)
    total = sum(len(list(boundaries.around(cursor))) for cursor in cursors)
    done, failure = spread("boundaries", boundaries.check, [(cursor,) for cursor in cursors], total, arguments.jobs)
    return report("boundaries", f"{done:,} from {len(cursors)} cursors, each ±1 tick and ±1 µs", failure, started)


def forge(seed: int, count: int) -> int:
    states.forge(random.Random(seed), count)
    return count


def forged(arguments: Arguments) -> bool:
    started = time.monotonic()
    cases = [(arguments.seed * 10**6 + part, 2000) for part in range(-(-arguments.count // 2000))]
    done, failure = spread("forged states", forge, cases, arguments.count, arguments.jobs)
    return report("forged states", f"{done:,}", failure, started)


def failing(arguments: Arguments) -> bool:
    try:
        import _testcapi  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        sys.exit("this interpreter has no _testcapi, which makes allocations fail (Debian: libpython3-testsuite)")
    if allocations.FREE_THREADED_3_13:
        sys.exit("this CPython itself crashes where there is no memory for a list")
    started = time.monotonic()
    cases = allocations.cases()
    random.Random(arguments.seed).shuffle(cases)
    del cases[arguments.count or len(cases) :]
    done, failure = spread("failing allocations", allocations.sweep, cases, 22 * len(cases), arguments.jobs)
    return report("failing allocations", f"{done:,} in {len(cases):,} situations", failure, started)


def snap(arguments: Arguments) -> bool:
    started = time.monotonic()
    names = itertools.cycle(CONFIGS)
    cases = [(next(names), arguments.seed * 10**6 + part, 100) for part in range(-(-arguments.count // 100))]
    done, failure = spread("snapshots", snapshots.check, cases, arguments.count, arguments.jobs)
    return report("snapshots", f"{done:,} moments, each with the identical future", failure, started)


def come_back(*cases: Any) -> int:
    for case in cases:
        reentry.run(*case)
    return len(cases)


def reenter(arguments: Arguments) -> bool:
    started = time.monotonic()
    cases = list(reentry.cases())
    batches = [tuple(cases[start : start + 200]) for start in range(0, len(cases), 200)]
    done, failure = spread("re-entry", come_back, batches, len(cases), arguments.jobs)
    if failure is not None:
        failure = Failure((), failure.reason)
    return report("re-entry", f"{done:,} calls from {len(reentry.HOOKS)} hooks", failure, started)


def nest(arguments: Arguments) -> bool:
    started = time.monotonic()
    cases = [(arguments.seed * 10**6 + part, 200) for part in range(-(-arguments.count // 200))]
    done, failure = spread("nested calls", nested.check, cases, arguments.count, arguments.jobs)
    return report("nested calls", f"{done:,} calls with another inside, in one order or the other", failure, started)


def leak(arguments: Arguments) -> bool:
    started = time.monotonic()
    if arguments.python:
        with fresh(Build, arguments.python) as build:
            build.make()
            say(build.run("-m", "tests.proof.leaks", str(arguments.rounds)).strip())
    else:
        rounds = [(name, arguments.rounds) for name in leaks.ROUNDS]
        done, failure = spread(
            "rounds without a leak", leaks.flat, rounds, arguments.rounds * len(rounds), arguments.jobs
        )
        if not report(
            "leaks", f"{done:,} rounds (allocated blocks; --python DEBUG_PYTHON counts references)", failure, started
        ):
            return False
    count, failure = spread("burst", leaks.burst, [(arguments.burst,)], arguments.burst * 5, 1)
    if not report("burst", f"{count:,} timers came and went", failure, started):
        return False
    count, failure = spread(
        "steady memory", leaks.steady, [(arguments.count, arguments.seed)], arguments.count, 1, patience=10**5
    )
    return report("steady memory", f"{count:,} operations", failure, started)


def race(arguments: Arguments) -> bool:
    """Here, or with --python under the interpreter given: with the thread sanitizer if it has one."""
    started = time.monotonic()
    if not arguments.python:
        each = (threads.THREADS, arguments.count, arguments.seed)
        cases = [(name, *each) for name in threads.WORKS]
        total = threads.THREADS * arguments.count * len(cases)
        done, failure = spread("threads", threads.run, cases, total, 1)
        return report("threads", f"{done:,} operations in {threads.THREADS} threads", failure, started)
    kind = Raced if arguments.sanitize else Build
    with fresh(kind, arguments.python, arguments.builder) as build:
        build.make()
        try:
            said = build.run(
                "-m", "tests.proof.threads", str(threads.THREADS), str(arguments.count), str(arguments.seed)
            )
        except Failed as failed:
            reports = [path.read_text(errors="replace") for path in build.folder.glob("race*")]
            return report("threads", "", Failure((), "\n".join([str(failed), *reports])[:20_000]), started)
        say(said.strip())
    if arguments.sanitize and (problem := faults.noticed(faults.RACE, arguments.python, arguments.builder)):
        return report("threads", "", Failure(("planted race",), problem), started)
    total = threads.THREADS * arguments.count * len(threads.WORKS)
    return report("threads", f"{total:,} operations", None, started)


# ---- tools that build


def elsewhere(arguments: Arguments, words: list[str]) -> bool:
    """The same, in a build of another kind."""
    same = (*words, "--seed", str(arguments.seed), "--build", "plain")
    with fresh(BUILDS[arguments.build]) as build:
        build.make()
        say(build.run("-m", "tests.proof", *same, patience=10**5).strip())
    return True


def sanitize(arguments: Arguments) -> bool:
    """The suite, random operations and calls inside calls, under the address and undefined-behaviour sanitizers."""
    started = time.monotonic()
    with fresh(Sanitized) as build:
        build.make()
        try:
            if not arguments.no_suite:
                # Engines and clients bring libraries of their own, and need `bench`.
                others = ("--ignore=tests/test_beam.py", "--ignore=tests/test_clients.py")
                quiet = ("-q", "-n", str(arguments.jobs), "-p", "no:faulthandler")
                suite = ("-X", "faulthandler=0", "-m", "pytest", *quiet, "tests", *others)
                say(build.run(*suite).strip().splitlines()[-1])
            common = ("--seed", str(arguments.seed), "--jobs", str(arguments.jobs))
            for share, *tool in ((1, "operations", "--checked", "0"), (10, "keys", "--checked", "0"), (100, "nested")):
                count = str(arguments.count // int(share))
                said = build.run("-m", "tests.proof", *map(str, tool), "--count", count, *common, patience=10**5)
                say(said.strip().splitlines()[-1])
        except Failed as failed:
            return report("sanitize", "", Failure((), str(failed)), started)
    return report("sanitize", f"{arguments.count:,} operations", None, started)


def lower(arguments: Arguments) -> bool:
    """What depends on the sizes of notifiers, where all of them are large."""
    started = time.monotonic()
    common = ("--seed", str(arguments.seed), "--jobs", str(arguments.jobs))
    tools: tuple[tuple[str, ...], ...] = (
        ("operations", "--count", str(arguments.count), "--checked", str(arguments.count // 10)),
        ("keys", "--count", str(arguments.count // 10), "--checked", str(arguments.count // 100)),
        ("nested", "--count", str(arguments.count // 100)),
        ("allocations",),
        ("snapshots", "--count", str(arguments.count // 1000)),
    )
    with fresh(Low) as build:
        build.make()
        for tool, *counts in tools:
            try:
                said = build.run("-m", "tests.proof", tool, *counts, *common, patience=10**5)
            except Failed as failed:
                return report("thresholds", "", Failure((tool,), str(failed)), started)
            say("\n".join(line for line in said.splitlines() if "no fault" in line))
    return report("thresholds", f"{arguments.count:,} operations and more", None, started)


def coverage(arguments: Arguments) -> bool:
    started = time.monotonic()
    missing, total = lines.unreached()
    failure = Failure((), "not reached:\n" + "\n".join(missing)) if missing else None
    return report("coverage", f"all of {total:,} lines that can be reached", failure, started)


def warn(arguments: Arguments) -> bool:
    started = time.monotonic()
    found, total = warned.warnings()
    failure = Failure((), "\n".join(found)) if found else None
    return report("warnings", f"none from our lines, {total:,} from Cython's", failure, started)


def mutate(arguments: Arguments) -> bool:
    started = time.monotonic()
    found = [mutant for mutant in mutants.all_mutants() if arguments.only in str(mutant)]
    tried = random.Random(arguments.seed).sample(found, min(arguments.count or len(found), len(found)))
    dead, survivors, errors = mutants.hunt(tried, arguments.jobs)
    guilty = [mutant for mutant in survivors if not mutants.harmless(mutant)]
    for mutant in survivors:
        say(f"survives: {mutant}  [{mutants.harmless(mutant) or 'A GAP'}]")
    say(f"{dead:,} of {dead + len(survivors):,} killed; {len(survivors) - len(guilty)} survivors are harmless")
    failure = Failure((), "\n".join([*errors, *map(str, guilty)])) if guilty or errors else None
    return report("mutants", f"{dead:,} killed of {len(found):,}", failure, started)


def plant(arguments: Arguments) -> bool:
    started = time.monotonic()
    good = True
    checks: list[tuple[str, Callable[[], str | None]]] = [
        (f"{fault.tool}: {fault.what}", functools.partial(faults.noticed, fault)) for fault in faults.FAULTS
    ]
    checks += [
        (f"{kind.__name__}: nothing in sound code", functools.partial(faults.sound, kind)) for kind in faults.KINDS
    ]
    checks.append(("mutants: a deadly one and an idle one", faults.mutants_are_told_apart))
    if arguments.python:
        checks.append(
            (f"threads: {faults.RACE.what}", lambda: faults.noticed(faults.RACE, arguments.python, arguments.builder))
        )
    checks = [(name, check) for name, check in checks if arguments.only in name]
    for name, check in checks:
        problem = check()
        say(f"{'missed' if problem else 'noticed'}: {name}")
        if problem:
            say(problem)
            good = False
    return good and report("planted faults", f"{len(checks)} as they should be", None, started)


def everything(arguments: Arguments) -> bool:
    """Every tool that needs no other interpreter, with its full count."""
    names = [name for name in TOOLS if name not in ("replay", "all")]
    return all([run([name, "--seed", str(arguments.seed), "--jobs", str(arguments.jobs)]) for name in names])


Tool = Callable[[Arguments], bool]
TOOLS: dict[str, Tool] = {
    "operations": operations,
    "keys": keys,
    "boundaries": edges,
    "states": forged,
    "allocations": failing,
    "snapshots": snap,
    "reentry": reenter,
    "nested": nest,
    "leaks": leak,
    "threads": race,
    "sanitize": sanitize,
    "thresholds": lower,
    "coverage": coverage,
    "warnings": warn,
    "mutants": mutate,
    "faults": plant,
    "replay": replay,
    "all": everything,
}


def run(words: list[str] | None = None) -> bool:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run; random if not given")
    common.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel processes")
    common.add_argument("--build", choices=BUILDS, default="plain", help="with low thresholds, or with sanitizers")
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")

    def add(name: str, help: str, count: int | None = None) -> argparse.ArgumentParser:
        tool = tools.add_parser(
            name, help=help, parents=[common], formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        if count is not None:
            tool.add_argument("--count", type=int, default=count, help="how many")
        return tool

    tool = add("operations", "random operations against the oracle", 10**9)
    tool.add_argument("--checked", type=int, default=10**7, help="how many with every invariant checked after each")
    tool.add_argument("--only", default="", help="configurations whose name holds this")
    add("keys", "random operations on Deadlines against a dict", 10**7).add_argument(
        "--checked", type=int, default=10**6, help="how many with every invariant checked after each"
    )
    add("boundaries", "every level boundary from cursors all over the calendar").add_argument(
        "--cursors", type=int, default=64
    )
    add("states", "forged states for __setstate__", 10**6)
    add("allocations", "every n-th allocation fails in every method; --count situations, 0 for all", 0)
    add("snapshots", "copies and pickles at random moments have the same future", 10**5)
    add("reentry", "foreign code comes back from every hook into every method")
    add("nested", "calls inside calls, near the sizes at which things change, against both orders", 10**7)
    tool = add("leaks", "references flat over rounds, memory flat over operations and after a burst", 10**8)
    tool.add_argument("--rounds", type=int, default=1000)
    tool.add_argument("--burst", type=int, default=10**6, help="timers of a burst")
    tool.add_argument("--python", help="a debug interpreter, to count references")
    tool = add("threads", "threads on shared notifiers", threads.OPERATIONS)
    tool.add_argument("--python", help="another interpreter, such as a free-threaded one")
    tool.add_argument("--builder", help="the interpreter that compiles for it")
    tool.add_argument("--sanitize", action="store_true", help="the interpreter has the thread sanitizer")
    add(
        "sanitize", "the suite and operations under the address and undefined-behaviour sanitizers", 10**8
    ).add_argument("--no-suite", action="store_true")
    add("thresholds", "operations, allocations and snapshots on a build with low thresholds", 10**7)
    add("coverage", "every line of the Cython files")
    add("warnings", "`-Wall -Wextra` and Cython warn of no line of ours")
    tool = add("mutants", "small changes that the tests must notice; --count of them, 0 for all", 0)
    tool.add_argument("--only", default="", help="mutants whose description holds this")
    tool = add("faults", "planted faults that the tools must notice")
    tool.add_argument("--only", default="", help="faults whose description holds this")
    tool.add_argument("--python", help="an interpreter with the thread sanitizer, for the race")
    tool.add_argument("--builder", help="the interpreter that compiles for it")
    tool = add("replay", "repeat and shrink one run of `operations`")
    tool.add_argument("config", choices=CONFIGS)
    tool.add_argument("run_seed", type=int)
    tool.add_argument("length", type=int)
    tool.add_argument("--check", action="store_true")
    add("all", "one after the other, with their full counts")
    arguments = parser.parse_args(words)
    say(f"{arguments.tool}, seed {arguments.seed}")
    try:
        if arguments.build != "plain":
            return elsewhere(arguments, sys.argv[1:] if words is None else words)
        return TOOLS[arguments.tool](arguments)
    except Failed as failed:
        say(str(failed))
        return False


if __name__ == "__main__":
    sys.exit(not run())
