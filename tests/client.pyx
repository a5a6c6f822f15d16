# cython: language_level=3
"""A client in other Cython code: the loop of a simulation, whose clock is a C double.

It calls the notifier on deadlines: no Python object is made for a time. `tests/window.py` compiles it against what is
installed.
"""

from libc.stdint cimport uint64_t

from timers.notifier cimport MultiNotifier, due_by, put_at, soonest_at
from timers.times cimport FLOAT, INT, fold_float, fold_int, unfold_float, unfold_int

cdef size_t ALL = <size_t>-1


cdef class Loop:
    cdef readonly MultiNotifier timers
    cdef readonly double now

    def __cinit__(self):
        self.timers = MultiNotifier()

    def call_at(self, double when, action):
        put_at(self.timers, fold_float(when), FLOAT, action)

    def call_later(self, double delay, action):
        self.call_at(self.now + delay, action)

    def run(self):
        """Call each action at its time, with the time, until none is left."""
        while self.timers:
            self.now = unfold_float(soonest_at(self.timers))
            for action in due_by(self.timers, fold_float(self.now), FLOAT, ALL):
                action(self.now)


def put_ints(MultiNotifier timers, ats, tokens):
    for at, token in zip(ats, tokens):
        put_at(timers, fold_int(at), INT, token)


def soonest_int(MultiNotifier timers):
    return unfold_int(soonest_at(timers))


def due_ints(MultiNotifier timers, now, size_t most=ALL):
    return due_by(timers, fold_int(now), INT, most)


def fold(double number):
    """The deadline of a float."""
    return fold_float(number)


def unfold(uint64_t deadline):
    return unfold_float(deadline)
