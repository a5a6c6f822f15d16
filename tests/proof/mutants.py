"""Mutants of the integer rooms, of keys and of the arithmetic of time: a change, a rebuild, tests that must notice.

Every comparison, shift, mask, minimum, rounding and constant in them is changed, one at a time. A survivor is either
harmless, and then `HARMLESS` says why, or a gap in the tests.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from typing import Callable, NamedTuple

from tests.proof import killers
from tests.proof.builds import ROOT, Build, Failed, Quick, fresh
from tests.proof.pool import progress

FILES = (
    "timers/bits.pxd",
    "timers/bucket.pxd",
    "timers/order.pxd",
    "timers/overflow.pxd",
    "timers/crowd.pxd",
    "timers/crowd.pyx",
    "timers/index.pyx",
    "timers/wheel.pxd",
    "timers/wheel.pyx",
    "timers/slots.pxd",
    "timers/sharing.pxd",
    "timers/sharing.pyx",
    "timers/cascade.pxd",
    "timers/cascade.pyx",
    "timers/reach.pxd",
    "timers/reach.pyx",
    "timers/insertion.pxd",
    "timers/insertion.pyx",
    "timers/forwarding.pyx",
    "timers/expiry.pxd",
    "timers/expiry.pyx",
    "timers/removal.pxd",
    "timers/removal.pyx",
    "timers/invariants.pyx",
    "timers/timerqueue.pxd",
    "timers/timerqueue.pyx",
    "timers/spots.pyx",
    "timers/keys.pxd",
    "timers/keys.pyx",
    "timers/lookup.pyx",
    "timers/numbers.pyx",
    "timers/entries.pyx",
    "timers/times.pxd",
    "timers/times.pyx",
)
PATIENCE = 100
# A change of a .pxd compiles most rooms.
PATIENCE_TO_COMPILE = 600

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
    ("FEW = 25", "a threshold of speed"),
    ("count < FEW", "a threshold of speed"),
    ("count <= FEW and (", "which of two sorts is faster"),
    ("count < LANES and", "which of two sorts is faster"),
    ("difference <= CLOSE)", "a difference is no multiple of CLOSE where bits below it differ"),
    ("<< 6 | index) + 32768", "the same in 16 bits"),
    ("LANES = 49", "more memory than is used, for a moment"),
    ("FAN = 1025", "rounded down to a power of two"),
    ("FEWEST = 3", "a threshold of memory"),
    ("older.capacity <= CHUNK", "no memory is asked for ahead"),
    ("older.older >> 5)", "other memory is asked for ahead"),
    ("older.older << 4)", "other memory is asked for ahead"),
    ("SEGMENT = 255", "a threshold of memory"),
    ("MOST_OWNERS = 60001", "well below what fits"),
    ("> MOST_OWNERS: -> if add_owner(owners) >= MOST_OWNERS", "well below what fits"),
    ("BATCH = 131073", "a threshold of speed"),
    ("FLOOD = 131073", "told only where a chunk ends just there"),
    ("bucket_count(newest) > FLOOD", "told only where a chunk ends just there"),
    ("LIMIT = 65", "a threshold of speed"),
    ("heap.count > LIMIT", "a threshold of speed"),
    ("OUTLIERS = LIMIT // 3", "a threshold of speed"),
    ("timers[index].deadline | timers[index - 1]", "more bits than differ: more passes, the same order"),
    ("high_bit(difference) + 2 - shift", "a bit in which none differ"),
    ("uint32_t most = 1", "at least one has any value that is had"),
    ("most = min(most, size)", "whether they lie evenly is a matter of speed"),
    ("<< EVEN", "whether they lie evenly is a matter of speed"),
    ("EVEN = 5", "whether they lie evenly is a matter of speed"),
    ("SLACK = 17", "whether they lie evenly is a matter of speed"),
    ("enough >= width:", "a second digit, which need not be"),
    ("enough - 5 - width)", "fewer bits are told apart before the insertion"),
    ("enough + 6 - width)", "more bits are told apart before the insertion"),
    ("PyMem_Malloc(3 * ", "more memory than is used, for a moment"),
    ("difference = 0 -> ", "the lowest bit more: the same level, and where it sorts at most another pass"),
    ("not (zone is None and", "a zone that need not be asked answers the same"),
    ("CLOSE = 1 >> NEAR", "the bits above fall out of the sixteen of a key"),
    ("MOVES = 5", "a threshold of speed"),
    ("bint ordered = False", "what stands in order is sorted again"),
    ("sort: ordered = True -> ", "what stands in order is sorted again"),
    (".deadline > timers[index - 1].deadline", "equal ones are sorted again, and stay as they stand"),
    (".deadline > part[size - 1].deadline", "equal ones are sorted again, and stay as they stand"),
    ("int16_t falls = 1", "what stands in order is ranked again"),
    ("memset(keys, 1, ", "what lies beyond the timers means nothing"),
    ("falls |= keys[index] <= ", "no two keys are equal"),
    ("(count + 8) // 8 * 8", "lanes that mean nothing; beyond the last of them, the sanitizers' to notice"),
    ("deadline < timers[index].deadline:", "an equal one moves by no place"),
    ("insert_each: if index - place > left", "when to give up is a matter of speed"),
    ("insert_each: left -= ", "when to give up is a matter of speed"),
    ("insert_each: return True -> ", "whether to give up is a matter of speed"),
    ("even and bits or enough", "a second digit, which need not be"),
    ("even or bits and enough", "a second digit, which need not be"),
    ("enough + 5 + width)", "more bits are told apart before the insertion"),
    ("bits += more", "what is told apart already is looked through"),
    ("if not bits and (even", "what is told apart already is looked through"),
    ("while begin <= count", "behind the last there is nothing"),
    ("numbers[middle] != number", "what is not found where numbers say is looked for among all"),
    ("below > first and above", "what is not found where numbers say is looked for among all"),
    ("== crowd.start // SEGMENT else 1", "what is not found where numbers say is looked for among all"),
    ("high + low == 1", "what is not found where numbers say is looked for among all"),
    ("high - low == 2", "what is not found where numbers say is looked for among all"),
    ("crowd.start // SEGMENT, entry.word)", "what is not found where numbers say is looked for among all"),
    ("numbers[number - 2]", "what is not found where numbers say is looked for among all"),
    ("above <= segment.used", "a word behind the last, which no key has; behind a segment, the sanitizers' to notice"),
    ("copy_shelf: if twin.pages[index] is", "needs more than MOST_OWNERS, as the build with low thresholds has"),
    ("count * 16 // 10)", "how full a table begins is a matter of speed"),
]


class Hunted(Quick):
    """With the window to the inside of the wheel, compiled from sound sources."""

    def make(self) -> None:
        super().make()
        (self.folder / killers.INSIDE).mkdir()
        self.run("-m", "tests.window", str(killers.INSIDE))


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
    build.run("-m", "tests.proof.killers", "mutant", patience=PATIENCE, PYTHONMALLOC="debug")


def verdict(build: Build, mutant: Mutant) -> str | None:
    """Why the mutant is dead, or None."""
    file = build.folder / mutant.path
    text = file.read_text()
    lines = text.split("\n")
    assert lines[mutant.line - 1] == mutant.before
    lines[mutant.line - 1] = mutant.after
    file.write_text("\n".join(lines))
    try:
        build.compile(PATIENCE_TO_COMPILE)
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
            with fresh(Hunted) as build:
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
