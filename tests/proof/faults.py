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


def _driven(code: str) -> tuple[str, ...]:
    return _tool("from tests.configs import *; from tests.driver import *; " + code)


FAULTS = [
    Fault(
        "operations",
        "a cascade that puts the timers of a chunk in another order",
        "timers/cascade.pyx",
        "        for index in range(chunk.count - 1, -1, -1):\n            digit = ",
        "        for index in range(chunk.count):\n            digit = ",
        Quick,
        _driven("run(CONFIGS['growing in a second'], 20_000, 1)"),
        "AssertionError",
    ),
    Fault(
        "operations",
        "a heap that does not look at the order of insertion",
        "timers/overflow.pxd",
        "    return entry.number < other.number",
        "    return entry.number > other.number",
        Quick,
        _driven("run(CONFIGS['floats far apart'], 20_000, 1)"),
        "AssertionError",
    ),
    Fault(
        "operations",
        "a sort by digits that leaves those of one value as it found them",
        "timers/order.pxd",
        "        if not ordered:\n            result = sort_some",
        "        if not ordered and size > 2:\n            result = sort_some",
        Quick,
        ("-m", "pytest", "-q", "-x", "tests/test_order.py"),
        "AssertionError",
    ),
    Fault(
        "operations",
        "a ring that forgets that it has several positions, and shows the youngest",
        "timers/index.pyx",
        "        ring.hash |= SEVERAL\n",
        "        ring.hash |= 0\n",
        Quick,
        _driven("run(CONFIGS['one instant, strings'], 20_000, 1)"),
        "",
    ),
    Fault(
        "operations",
        "a search that takes another token for its own",
        "timers/index.pyx",
        "        if ring[0].youngest == SPENT:",
        "        if ring[0].youngest == FRESH:",
        Quick,
        _driven("run(CONFIGS['one instant, strings'], 150_000, 1)"),
        "",
    ),
    Fault(
        "operations",
        "what was put in front of a bucket that was forwarded, and is left behind",
        "timers/forwarding.pyx",
        "    for index in range(count):\n        timers_keep",
        "    for index in range(1, count):\n        timers_keep",
        Quick,
        ("-m", "pytest", "-q", "-x", "tests/test_forwarding.py"),
        "",
    ),
    Fault(
        "invariants",
        "a bit that stays set where a slot is emptied",
        "timers/slots.pxd",
        "    occupied(wheel)[digit >> 6] &= ~(<uint64_t>1 << (digit & 63))",
        "    occupied(wheel)[digit >> 6] &= ~(<uint64_t>0 << (digit & 63))",
        Quick,
        _driven("run(CONFIGS['dense'], 4000, 1, check=True)"),
        "",
    ),
    Fault(
        "invariants",
        "a heap that keeps what the wheel reaches",
        "timers/timerqueue.pyx",
        "        if not reaches(queue.root, heap.entries[index].timer.deadline):\n            heap.entries[left]",
        "        if True:\n            heap.entries[left]",
        Low,
        _driven("run(CONFIGS['many outliers'], 9000, 1, check=True)"),
        "heap-outside",
    ),
    Fault(
        "boundaries",
        "a slot that is due as a whole a little early",
        "timers/slots.pxd",
        "    return first_of(wheel, digit) + ((<uint64_t>1 << wheel.shift) - 1)",
        "    return first_of(wheel, digit) + ((<uint64_t>1 << wheel.shift) - 1 >> 1)",
        Quick,
        _tool("from tests.proof.boundaries import *; check(cursors(3)[1])"),
        "",
    ),
    Fault(
        "thresholds",
        "a node with too many owners that is copied, and counts one more",
        "timers/bits.pxd",
        "        leave_owner(owners)\n        return False",
        "        return False",
        Low,
        _tool("from tests.proof.leaks import *; flat('twins', 60)"),
        "references grow",
    ),
    Fault(
        "thresholds",
        "timers of a heap that all have one number",
        "timers/overflow.pxd",
        "    heap.numbers += 1\n",
        "    heap.numbers += 0\n",
        Low,
        _driven("[run(config, 9000, 1, check=True) for config in CONFIGS.values()]"),
        "",
    ),
    Fault(
        "states",
        "a forged time that is not looked at",
        "timers/state.pyx",
        "        if step > high - number or",
        "        if step > 2 * high - number or",
        Quick,
        _tool("from tests.proof.states import *; forge(random.Random(1), 40_000)"),
        "AssertionError",
    ),
    Fault(
        "allocations",
        "memory that is used without a look whether there is any",
        "timers/wheel.pyx",
        "    if wheel is not NULL:\n        memset(wheel, 0, wheel_size(size))",
        "    if True:\n        memset(wheel, 0, wheel_size(size))",
        Quick,
        _tool("from tests.proof.allocations import *; sweep('a second', 'due of half', False, False, False)"),
        "",
    ),
    Fault(
        "allocations",
        "a bucket that is left as it was allotted, without timers",
        "timers/cascade.pyx",
        "            free_bare(chunk)\n            return -1",
        "            slot[0] = <Slot>chunk\n            return -1",
        Quick,
        _tool("from tests.proof.allocations import *; sweep('the heap alone', 'due of half', False, False, False)"),
        "",
    ),
    Fault(
        "allocations",
        "a root that is not reunited where there is no memory for what its parts should take",
        "timers/timerqueue.pyx",
        "        reunite(&queue.root, former)\n",
        "        pass\n",
        Quick,
        _tool("from tests.proof.allocations import *; sweep('a root that has none', 'notify_at', False, False, False)"),
        "",
    ),
    Fault(
        "snapshots",
        "a wheel that is written to though another has it too",
        "timers/sharing.pxd",
        "    if owners_of(&as_wheel(slot[0]).owners) == 1:\n        return 0\n    twin = copy_wheel(",
        "    if owners_of(&as_wheel(slot[0]).owners) <= 2:\n        return 0\n    twin = copy_wheel(",
        Quick,
        _tool("from tests.proof.snapshots import *; [check(name, 1, 40) for name in ('dense', 'growing')]"),
        "",
    ),
    Fault(
        "snapshots",
        "an index that outlives the boxes of its tokens",
        "timers/crowd.pxd",
        "    return crowd.index is NULL or crowd.index.serial == 0 or crowd.index.serial == serial",
        "    return True",
        Quick,
        _tool("from tests.proof.snapshots import *; [check('one instant, labels', seed, 100) for seed in range(9)]"),
        "",
    ),
    Fault(
        "keys",
        "an entry that stays behind the gap of another",
        "timers/keys.pyx",
        "        if distance(keys, home_of(keys, entry.hash), place) >= distance(keys, gap, place):",
        "        if distance(keys, home_of(keys, entry.hash), place) > distance(keys, gap, place):",
        Quick,
        _tool("from tests.keyed import *; run('many strings', 'floats', 3000, 1, check=True)"),
        "keys-near",
    ),
    Fault(
        "keys",
        "a page that is written to though another table has it too",
        "timers/keys.pyx",
        "    return own_page(keys, place) if keys.shared else 0",
        "    return 0",
        Quick,
        _tool("from tests.keyed import *; run('many strings', 'floats', 3000, 1, check=True)"),
        "",
    ),
    Fault(
        "keys",
        "a key that is found where it was before it fell due",
        "timers/numbers.pyx",
        "    cdef size_t first = crowd.start % SEGMENT if number == crowd.start // SEGMENT else 0",
        "    cdef size_t first = 0",
        Quick,
        _tool("from tests.test_numbers import *; test_a_key_that_was_taken_beside_a_copy_and_is_set_again(100)"),
        "AssertionError",
    ),
    Fault(
        "reentry",
        "a search that goes on although the notifier changed",
        "timers/search.pyx",
        "        if self.queue.version != version:\n"
        "            return FOUND_AND_CHANGED if same and asked is not None else CHANGED\n"
        "        if self.queue.moves != moves:",
        "        if False:\n            return CHANGED\n        if False:",
        Quick,
        _tool("from tests.proof.reentry import *; [run(*case) for case in cases() if '__eq__' in case[0]]"),
        "",
    ),
    Fault(
        "nested",
        "a call that does not see that what it ripened has moved",
        "timers/due.pyx",
        "        if self.queue.version != version or self.queue.moves != moves:\n            taken = None",
        "        if self.queue.version != version:\n            taken = None",
        Quick,
        _tool("from tests.proof.nested import *; [check(seed, 200) for seed in range(400, 500)]"),
        "",
    ),
    Fault(
        "nested",
        "an unfilled list that is kept while a call begins again",
        "timers/due.pyx",
        "        hidden = FREE_THREADED or not ready or (keyed and keys_of(self).shared)\n"
        "        if hidden:\n            PyObject_GC_UnTrack(<PyObject *>taken)\n"
        "        if self.queue.version != version or self.queue.moves != moves:\n            taken = None\n",
        "        hidden = False\n        if self.queue.version != version or self.queue.moves != moves:\n",
        Quick,
        _tool("from tests.proof.nested import *; [check(seed, 200) for seed in range(50)]"),
        "the collector sees",
    ),
    Fault(
        "leaks",
        "a reference that is never given back",
        "timers/timerset.pxd",
        "    timers_keep(word)\n    if put(",
        "    timers_keep(word)\n" * 2 + "    if put(",
        Quick,
        _tool("from tests.proof.leaks import *; flat('driver', 60)"),
        "references grow",
    ),
    Fault(
        "sanitize",
        "memory that is used after it was freed",
        "timers/bucket.pxd",
        "            return <size_t>older\n        newest = older\n",
        "            return <size_t>older\n        newest = newest.older\n",
        Sanitized,
        _driven("run(CONFIGS['growing in a second'], 4000, 1)"),
        "heap-use-after-free",
    ),
    Fault(
        "sanitize",
        "a timer written beyond its chunk",
        "timers/insertion.pxd",
        "    if newest.count == newest.capacity or newest.ordered",
        "    if newest.count > newest.capacity or newest.ordered",
        Sanitized,
        _driven("run(CONFIGS['dense'], 4000, 1)"),
        "heap-buffer-overflow",
    ),
    Fault(
        "sanitize",
        "a shift by more than a word has",
        "timers/slots.pxd",
        "    return wheel.base + (<uint64_t>digit << wheel.shift)",
        "    return wheel.base + (<uint64_t>digit << wheel.shift + (64 if digit == 7 else 0))",
        Sanitized,
        _driven("run(CONFIGS['growing in a second'], 9000, 1)"),
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
        cause = mutants.verdict(build, idle)
        if cause is not None:
            return f"an idle mutant died of: {cause}"
        if mutants.verdict(build, deadly) is None:
            return f"a deadly mutant lives: {deadly}"
    return None
