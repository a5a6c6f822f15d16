"""Planted faults: one for each tool, which must notice. A silent tool is no proof.

`coverage` is not among them: each run of it plants a line of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.proof import mutants
from tests.proof.builds import Build, Failed, Low, Quick, Raced, Sanitized, fresh


class Fault(NamedTuple):
    tool: str
    what: str
    path: str
    # A distinctive snippet of the sound code, and what stands there instead.
    old: str
    new: str
    kind: type[Build]
    # What is run on the faulty build, and a word of what the tool must say.
    command: tuple[str, ...]
    says: str


def _tool(code: str) -> tuple[str, ...]:
    return "-c", code


FAULTS = [
    Fault(
        "operations",
        "a cascade that loses the last timer of a chunk",
        "timers/wheel.pyx",
        "range(chunk.count):\n            if insert(",
        "range(max(chunk.count - 1, 1)):\n            if insert(",
        Quick,
        _tool("from tests.driver import *; run(CONFIGS['growing in a second'], 20_000, 1)"),
        "AssertionError",
    ),
    Fault(
        "invariants",
        "a bit that stays set where a slot is emptied",
        "timers/wheel.pyx",
        "    wheel.occupied[digit >> 6] &= ~(<uint64_t>1 << (digit & 63))",
        "    wheel.occupied[digit >> 6] &= ~(<uint64_t>0 << (digit & 63))",
        Quick,
        _tool("from tests.driver import *; run(CONFIGS['dense'], 4000, 1, check=True)"),
        "",
    ),
    Fault(
        "boundaries",
        "a level whose wheels end one slot early",
        "timers/wheel.pyx",
        "    return 10 + ((timers_high_bit(difference) - 10) >> 3 << 3)",
        "    return 10 + ((timers_high_bit(difference) - 9) >> 3 << 3)",
        Quick,
        _tool("from tests.proof.boundaries import *; check(cursors(3)[1])"),
        "",
    ),
    Fault(
        "thresholds",
        "a flood of a batch that keeps a shape of its own",
        "timers/wheel.pyx",
        "    if is_wheel(batch[0]) and not (is_wheel(tree) and spans(",
        "    if is_wheel(batch[0]) and not (not is_wheel(tree) or spans(",
        Low,
        _tool("from tests.driver import *; [run(config, 20_000, 1, check=True) for config in CONFIGS.values()]"),
        "",
    ),
    Fault(
        "states",
        "a forged time that is not looked at",
        "timers/notifier.pyx",
        "        if step > high - instant or",
        "        if step > 2 * high - instant or",
        Quick,
        _tool("from tests.proof.states import *; forge(random.Random(1), 40_000)"),
        "AssertionError",
    ),
    Fault(
        "allocations",
        "memory that is used without a look whether there is any",
        "timers/wheel.pyx",
        "    if wheel is not NULL:\n        memset(wheel, 0, room)",
        "    if True:\n        memset(wheel, 0, room)",
        Quick,
        _tool("from tests.proof.allocations import *; sweep('a second', 'due of half', False, False, False)"),
        "",
    ),
    Fault(
        "snapshots",
        "a twin that is not told of a change of the other",
        "timers/notifier.pyx",
        "    if timers_add_owners(shared, 0) > 1:",
        "    if timers_add_owners(shared, 0) > 2:",
        Quick,
        _tool("from tests.proof.snapshots import *; [check(name, 1, 40) for name in ('dense', 'growing')]"),
        "",
    ),
    Fault(
        "reentry",
        "a search that goes on although the notifier changed",
        "timers/notifier.pyx",
        "if self.version != version or place.path[place.depth - 1][0] != bucket:",
        "if False:",
        Quick,
        _tool("from tests.proof.reentry import *; [run(*case) for case in cases() if '__eq__' in case[0]]"),
        "",
    ),
    Fault(
        "leaks",
        "a reference that is never given back",
        "timers/notifier.pyx",
        "    settle(self, 0)\n    Py_DECREF(token)",
        "    settle(self, 0)",
        Quick,
        _tool("from tests.proof.leaks import *; flat('driver', 60)"),
        "references grow",
    ),
    Fault(
        "sanitize",
        "memory that is used after it was freed",
        "timers/wheel.pyx",
        "    else:\n        last.next = first.next\n    PyMem_Free(first)",
        "    else:\n        PyMem_Free(first)\n        last.next = first.next",
        Sanitized,
        _tool("from tests.driver import *; run(CONFIGS['growing in a second'], 4000, 1)"),
        "heap-use-after-free",
    ),
    Fault(
        "sanitize",
        "a timer written beyond its chunk",
        "timers/wheel.pxd",
        "    if last is NULL or last.count == last.capacity:\n        return insert_slowly",
        "    if last is NULL or last.count > last.capacity:\n        return insert_slowly",
        Sanitized,
        _tool("from tests.driver import *; run(CONFIGS['dense'], 4000, 1)"),
        "heap-buffer-overflow",
    ),
    Fault(
        "sanitize",
        "a shift by more than a word has",
        "timers/wheel.pyx",
        "    return wheel.base + (<uint64_t>digit << wheel.shift)",
        "    return wheel.base + (<uint64_t>digit << wheel.shift + (64 if digit == 77 else 0))",
        Sanitized,
        _tool("from tests.driver import *; run(CONFIGS['growing in a second'], 9000, 1)"),
        "runtime error: shift exponent",
    ),
]
KINDS = (Quick, Low, Sanitized)
# Needs an interpreter with the thread sanitizer.
RACE = Fault(
    "threads",
    "a call without the lock",
    "timers/notifier.pyx",
    "    @cython.critical_section\n    def notify_at(",
    "    def notify_at(",
    Raced,
    ("-m", "tests.proof.threads", "4", "4000", "1"),
    "",
)


def noticed(fault: Fault, python: str | None = None, builder: str | None = None) -> str | None:
    """None where the tool notices the fault; else what went wrong."""
    arguments = (python, builder) if python else ()
    with fresh(fault.kind, *arguments) as build:
        build.edit(fault.path, fault.old, fault.new)
        build.make()
        try:
            build.run(*fault.command, patience=300)
        except Failed as failed:
            text = str(failed)
            reports = [path.read_text(errors="replace") for path in build.folder.glob("race*")]
            return None if fault.says in text + "".join(reports) else f"says something else:\n{text}"
        return "says nothing"


def sound(kind: type[Build]) -> str | None:
    """None where the tools find nothing in sound code: else what they notice in faulty code says little."""
    with fresh(kind) as build:
        build.make()
        for fault in FAULTS:
            if fault.kind is kind:
                try:
                    build.run(*fault.command, patience=300)
                except Failed as failed:
                    return f"{fault.tool} finds a fault in sound code: {failed}"
    return None


def mutants_are_told_apart() -> str | None:
    """A deadly mutant must die, and one that changes nothing must live."""
    deadly = next(mutant for mutant in mutants.all_mutants() if "return wheel.base + (" in mutant.before)
    idle = deadly._replace(after=deadly.before + "  # the same")
    with fresh(mutants.Hunted) as build:
        build.make()
        if mutants.verdict(build, idle) is not None:
            return f"an idle mutant died of: {mutants.verdict(build, idle)}"
        if mutants.verdict(build, deadly) is None:
            return f"a deadly mutant lives: {deadly}"
    return None
