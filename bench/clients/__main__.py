"""`python -m bench.clients [NAME ...]`: the tests of sched, asyncio, trio and simpy with `MultiNotifier` inside."""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench.clients.suites import CANNOT, SUITES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.clients", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", default=list(SUITES), help=", ".join(SUITES))
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in SUITES]:
        parser.error(f"there is no client for {', '.join(unknown)}, but for {', '.join(SUITES)}")
    if len(names) == 1:
        sys.exit(not SUITES[names[0]]())
    failed = []
    for name in names:
        # A process each: a suite leaves behind what it has patched.
        print(f"{name}:", flush=True)
        if subprocess.run([sys.executable, "-m", "bench.clients", name]).returncode:
            failed.append(name)
    for name in names:
        for test, reason in CANNOT.get(name, {}).items():
            print(f"left out of {name}: {test}: {reason}")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
