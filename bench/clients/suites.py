"""The tests that come with the four schedulers, run with the clients in their place."""

from __future__ import annotations

import signal
import subprocess
import sys
import unittest
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

# The modules in whose tests there are timers.
ASYNCIO = [
    "base_events",
    "events",
    "locks",
    "queues",
    "runners",
    "streams",
    "taskgroups",
    "tasks",
    "timeouts",
    "waitfor",
]
TRIO = [
    "trio._core._tests.test_guest_mode",
    "trio._core._tests.test_mock_clock",
    "trio._core._tests.test_run",
    "trio._tests.test_timeouts",
]
# What cannot pass, and why.
CANNOT = {
    "asyncio": {
        "BaseEventLoopTests": "looks into the heap of the base class, and puts mocks where due timers are taken over",
    },
    "simpy": {"test_exception_chaining": "compares a traceback, in which a method that calls its parent's stands too"},
}


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        else:
            yield test


def run_unittests(modules: list[str], left_out: dict[str, str]) -> bool:
    """Those of CPython, which the packages of some systems leave out."""
    tests = unittest.defaultTestLoader.loadTestsFromNames([f"test.{module}" for module in modules])
    chosen = (test for test in cases(tests) if not any(name in test.id() for name in left_out))
    return unittest.TextTestRunner().run(unittest.TestSuite(chosen)).wasSuccessful()


def run_pytest(arguments: list[str], left_out: dict[str, str]) -> bool:
    import pytest

    # As in the foreground: a shell's background jobs ignore it, and trio's tests do not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Not with the settings of this project.
    fresh = ["-q", "-c", "/dev/null", "-p", "no:cacheprovider"]
    return not pytest.main([*fresh, *arguments, *(f"--deselect={name}" for name in left_out)])


def of_sched() -> bool:
    import sched

    from bench.clients.events import Scheduler

    sched.scheduler = Scheduler  # type: ignore[misc]
    return run_unittests(["test_sched"], {})


def of_asyncio() -> bool:
    import asyncio
    from asyncio import unix_events

    from bench.clients.eventloop import Timers

    utils: Any = import_module("test.test_asyncio.utils")
    test_loop: Any = utils.TestLoop

    class TestLoop(Timers, test_loop):  # type: ignore[misc]
        def call_at(self, when: float, *arguments: Any, **keywords: Any) -> Any:
            self._timers.append(when)  # its clock goes by these, and its own method is not reached
            return super().call_at(when, *arguments, **keywords)

    utils.TestLoop = TestLoop
    patched: Any = unix_events
    loop = type("EventLoop", (Timers, asyncio.SelectorEventLoop), {})
    asyncio.SelectorEventLoop = loop  # type: ignore[assignment]
    patched.SelectorEventLoop = patched._UnixSelectorEventLoop = loop
    patched._UnixDefaultEventLoopPolicy._loop_factory = loop
    return run_unittests([f"test_asyncio.test_{name}" for name in ASYNCIO], CANNOT["asyncio"])


def of_trio() -> bool:
    from trio._core import _run

    from bench.clients.deadlines import Deadlines

    setup_runner = _run.setup_runner

    def with_wheel(*arguments: Any, **keywords: Any) -> Any:
        runner: Any = setup_runner(*arguments, **keywords)
        runner.deadlines = Deadlines()
        return runner

    _run.setup_runner = with_wheel
    return run_pytest(["-p", "trio._tests.pytest_plugin", "--pyargs", *TRIO], {})


def of_simpy() -> bool:
    import simpy

    from bench.clients.simulation import WheelEnvironment

    patched: Any = simpy
    patched.Environment = patched.core.Environment = patched.rt.Environment = WheelEnvironment
    patched.rt.RealtimeEnvironment.__bases__ = (WheelEnvironment,)
    with TemporaryDirectory() as folder:
        # The wheel has no tests, the sdist has.
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "simpy", "-d", folder]
        subprocess.run([*download, f"simpy=={version('simpy')}"], check=True)
        (packed,) = Path(folder).iterdir()
        subprocess.run(["tar", "-xf", packed, "-C", folder], check=True)
        (tests,) = Path(folder).glob("*/tests")
        left_out = {f"test_exceptions.py::{name}": reason for name, reason in CANNOT["simpy"].items()}
        # Two of simpy's benchmarks count events, and are wrong by one without us too.
        return run_pytest([str(tests), f"--rootdir={tests}", "--ignore", str(tests / "test_benchmark.py")], left_out)


SUITES: dict[str, Callable[[], bool]] = {
    "sched": of_sched,
    "asyncio": of_asyncio,
    "trio": of_trio,
    "simpy": of_simpy,
}
