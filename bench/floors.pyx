# cython: language_level=3, binding=False
"""Floors: methods that do nothing, for what a call into compiled code costs at the least.

Compiled when a benchmark starts (see compiled.py); never part of the package.
"""

cdef class Floor:
    """As a queue: takes two arguments and keeps nothing; as a state: 40 bytes to pickle, nothing to copy."""

    def __init__(self, state=None):
        pass

    def notify_at(self, at, token):
        pass

    def next_at(self):
        pass

    def __deepcopy__(self, memo):
        return Floor.__new__(Floor)

    def __reduce__(self):
        return Floor, (b"0123456789012345678901234567890123456789",)


cdef class Answers:
    """As a queue with one answer to each question: what a loop over a queue costs without the queue."""

    cdef object at, tokens

    def __init__(self, at=None, tokens=()):
        self.at, self.tokens = at, tokens

    def notify_at(self, at, token):
        pass

    def next_at(self):
        return self.at

    def due(self, now):
        return self.tokens
