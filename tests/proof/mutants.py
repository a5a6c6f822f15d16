"""Mutants of the integer room and of the arithmetic of time: one small change, a rebuild, tests that must notice.

Every comparison, shift, mask, minimum, rounding and constant in them is changed, one at a time. A survivor is either
harmless, and then `HARMLESS` says why, or a gap in the tests.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from typing import Callable, NamedTuple

from tests.proof.builds import ROOT, Build, Failed, Quick, fresh
from tests.proof.pool import progress

FILES = ("timers/wheel.pyx", "timers/wheel.pxd", "timers/instant.pxd")
PATIENCE = 100

# Operators stand between spaces; casts, pointers and unary signs do not. A comparison moves by one: its opposite would
# be noticed more easily.
SWAPS = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "<<": ">>",
    ">>": "<<",
    "&": "|",
    "|": "&",
    "^": "|",
    "|=": "^=",
    "&=": "|=",
    "+=": "-=",
    "-=": "+=",
    "+": "-",
    "-": "+",
    "//": "*",
    "%": "//",
    "and": "or",
    "or": "and",
    "is": "is not",
    "is not": "is",
    "min(": "max(",
    "max(": "min(",
    "not ": "",
    "True": "False",
    "False": "True",
    "~": "",
}
OPERATOR = re.compile(
    r"(?<= )(is not|[<>=!]=|<<|>>|[|&+-]=|//|[<>&|^%+-]|and|or|is)(?= )|\bm(?:in|ax)\(|\bnot |\b(?:True|False)\b|~"
)
# Indices of pointers are no arithmetic.
NUMBER = re.compile(r"(?<![\w.\[])\d[\d_]*(?![\w.])")
PATTERNS: list[tuple[re.Pattern[str], Callable[[str], str]]] = [
    (OPERATOR, lambda old: SWAPS[old]),
    (NUMBER, lambda old: str(int(old) + 1)),
]
# Neither code that decides anything, nor ours to change.
SKIPPED = re.compile(
    r"^\s*(cdef (extern|enum|struct)|ctypedef|cimport|from |import |cdef [\w ]+\*?\w+$|raise |return \")"
    r"|prefetch|noexcept|except"
)

# A function that answers whether it failed, and its answers: callers look for negative ones only.
ANSWERS_INT = re.compile(r"cdef (inline )?int ")
ANSWER = re.compile(r"^\s*return (0|-1)$")

# Survivors that change nothing that can be observed: (a part of the line as it was and as it is, the reason).
HARMLESS: list[tuple[str, str]] = [
    ("check_slot: ", "the check itself, a little less strict"),
    ("check: return check_slot(", "the check itself, a little less strict"),
    ("path[MAX_LEVEL", "room to spare"),
    ("MAX_LEVEL = 9", "room to spare"),
    ("if instant <= FIRST", "shifts by nothing"),
    ("elif instant >= LAST", "shifts by nothing"),
    ("FAN = 513", "rounded down to a power of two"),
    ("CROWD = 48", "a threshold of speed"),
    ("BATCH = 8192", "a threshold of memory"),
    ("FEW = 16", "a threshold of speed"),
    ("end - start >= FEW", "a threshold of speed"),
    ("if count >= CROWD", "a threshold of speed"),
    ("end + start > FEW", "a threshold of speed"),
    ("CROWD + 2) > CROWD", "counts a chunk more than it must"),
    ("timers[0].deadline, 1)", "names the same level"),
    ("(zone is None and zone is get_utc())", "asks UTC for its offset"),
    ("chunk.before = 1", "a guess of the size of a chunk"),
    ("CROWD + 1) >= CROWD", "a threshold of speed"),
    ("max(count, 3)", "a threshold of memory"),
    ("shift < 59", "room for slots beyond the calendar"),
    ("first = <uint64_t>-2", "no deadline is that late"),
    ("cdef bint single = True", "searches a crowd instead of splitting it"),
    ("timers_high_bit(difference) + 2 - bits", "sorts by coarser digits first"),
    ("last_of: ", "for the check itself"),
    ("while count < most", "cascades where it could have sorted"),
    ("return count if count < most else 0", "cascades where it could have sorted"),
    ("capacity < 8 * count", "a threshold of memory"),
    ("capacity <= 9 * count", "a threshold of memory"),
    ("if root[0] else 1", "callers look for negative answers only"),
    ("for digit in range(mask - 1)", "the rest is sorted by insertion: slow, and as exact"),
    ("difference_of(timers - start", "the rest is sorted by insertion: slow, and as exact"),
    ("timers[index].deadline > timers[index - 1]", "sorts what is in order"),
    ("timers[index].deadline >= timers[index + 1]", "sorts what is in order"),
    ("cdef bint ordered = False", "sorts what is in order"),
    ("read_slot(wheel.slots[digit], room, timers, wheel.shift == 1)", "sorts what is of one deadline"),
    ("chunk.before = last.before - last.count", "a guess of the size of a chunk"),
    ("append: capacity = ", "a guess of the size of a chunk"),
    ("digit = next_occupied(wheel, digit - 1)", "the slots before are empty by then"),
    ("CALM = 16", "a threshold of memory"),
    ("CHUNK = 31", "a threshold of speed"),
    ("cdef size_t digit = 0", "set before it is used"),
    ("count <= enough", "counts a chunk more than it must"),
    ("(<uint64_t>digit >> wheel.shift)", "looks at slots that are not due, and finds nothing due in them"),
    ("(<uint64_t>digit + 2) << wheel.shift", "counts one by one what it could take whole"),
    ("if is_crowded(slot[0]) or split(slot) < 0", "searches a crowd instead of splitting it, and splits what is none"),
    ("if root else 1", "callers look for negative answers only"),
    ("append(slot, deadline, token, 3)", "room for one timer more"),
    ("last.before // wheel.size", "a guess of the size of a chunk"),
    ("next_occupied(wheel, digit + 1) <= 0", "the slot after another is never slot 0"),
    ("next_occupied(wheel, digit + 1) < 1", "the slot after another is never slot 0"),
    ("shift <= 58", "room for slots beyond the calendar"),
    ("<uint64_t>2 << wheel.shift", "names the same level"),
    ("difference | 2", "names the same level"),
    ("cdef uint64_t difference = 1", "looks at one bit more that may differ"),
    ("return -2 if fits", "callers look for negative answers only"),
    ("last.before * wheel.size", "a guess of the size of a chunk"),
]


class Mutant(NamedTuple):
    path: str
    line: int
    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.function}: {self.before.strip()} -> {self.after.strip()}"


def _code(text: str) -> str:
    """The text with strings and comments blanked out, every character in its place."""
    blank = re.compile(r'r?"""(?:.|\n)*?"""|"[^"\n]*"|#[^\n]*')
    return blank.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def mutants_of(path: str, text: str) -> Iterator[Mutant]:
    lines = text.split("\n")
    inside_extern = answers_int = False
    function = ""
    for number, code in enumerate(_code(text).split("\n")):
        if code.startswith("cdef extern"):
            inside_extern = True
        elif code.strip() and not code.startswith(" "):
            inside_extern = False
            answers_int = bool(ANSWERS_INT.match(code))
        head = re.match(r"\s*cdef .*?(\w+)\(.*\).*:\s*$", code)
        if head:
            function = head.group(1)
        if inside_extern or SKIPPED.search(code) or head or (answers_int and ANSWER.match(code)):
            continue
        for pattern, replace in PATTERNS:
            for match in pattern.finditer(code):
                before, old = lines[number], match.group()
                after = before[: match.start()] + replace(old) + before[match.end() :]
                yield Mutant(path, number + 1, function, before, after)


def all_mutants() -> list[Mutant]:
    return [mutant for path in FILES for mutant in mutants_of(path, (ROOT / path).read_text())]


def kill(build: Build) -> None:
    """Run the tests; what lies beyond a block of memory is filled with what no pointer may be."""
    build.run("-m", "tests.proof.killers", "limited", patience=PATIENCE, PYTHONMALLOC="debug")


def verdict(build: Build, mutant: Mutant) -> str | None:
    """Why the mutant is dead, or None."""
    file = build.folder / mutant.path
    text = file.read_text()
    lines = text.split("\n")
    assert lines[mutant.line - 1] == mutant.before
    lines[mutant.line - 1] = mutant.after
    file.write_text("\n".join(lines))
    try:
        build.compile(PATIENCE)
    except Failed:
        return "does not compile"
    else:
        try:
            kill(build)
        except Failed as failed:
            return str(failed).strip().splitlines()[-1][:120]
        return None
    finally:
        file.write_text(text)


def harmless(mutant: Mutant) -> str | None:
    return next((reason for part, reason in HARMLESS if part in str(mutant)), None)


def hunt(mutants: list[Mutant], jobs: int) -> tuple[int, list[Mutant], list[str]]:
    """Answers how many died, who survived, and the errors of the hunt itself."""
    waiting: queue.Queue[Mutant] = queue.Queue()
    for mutant in mutants:
        waiting.put(mutant)
    survivors: list[Mutant] = []
    errors: list[str] = []
    dead = 0
    with progress() as bar:
        line = bar.add_task("mutants", total=len(mutants))

        def work() -> None:
            nonlocal dead
            with fresh(Quick) as build:
                try:
                    build.make()
                    # The tests must pass before a failure of theirs says anything.
                    kill(build)
                    while True:
                        mutant = waiting.get_nowait()
                        if verdict(build, mutant) is None:
                            survivors.append(mutant)
                            bar.console.print(f"survives: {mutant}", markup=False, highlight=False)
                        else:
                            dead += 1
                        bar.advance(line)
                except queue.Empty:
                    pass
                except Exception as error:
                    errors.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return dead, sorted(survivors), errors
