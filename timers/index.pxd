# cython: language_level=3
"""An index finds one of a crowd: two hash tables of positions, by identity and by value, each made when it is asked.

An index is made by the first search that a glance at a small crowd does not answer, and given back with the crowd. Who
asks with the very tokens asks the table by identity first; who asks with equal ones that by value, and the other only
where several are equal, or some have an equality of their own.

The positions of one key form a ring, from the oldest to the youngest and round; a table holds the youngest, so that
both ends are at hand. What is gone is unlinked when it is met. What is new is entered when it is searched.

By value are told apart the tokens whose type, and that of all their parts, is a built-in one; others have their
identity alone, or a hash and `==` of their own, which are foreign code: an index runs none, and says `ASK`.

Yet foreign code may come in: the hash of a `timedelta` makes a tuple, which may start the collector; to compare bytes
with text may be a warning; and a class may have been given an `==` after its objects were entered. So a search holds
the crowd, as another owner of it would, whereupon whoever changes the timers does so in a copy; and it gives up once
they have changed. Who comes back into a crowd that is being searched finds its index busy, and asks.

An index of boxed tokens holds for their boxes: a crowd may come to another notifier, as a deep copy's. Of those that
share a crowd, who searched last takes the index along when it writes; who then has to make another keeps that.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.object cimport PyObject

from timers.crowd cimport Crowd

cdef enum:
    NOWHERE = -1
    # The tokens must be asked one by one.
    ASK = -2
    STARVED = -3
    # The timers changed meanwhile.
    CHANGED = -4

# Who searches.
cdef struct Searcher:
    const void *root        # of the tree
    PyObject ***items       # where the blocks of boxed tokens begin at any moment; NULL: none are boxed
    uint64_t serial         # which boxes these are
    uint32_t *version       # changes when the timers do,
    uint32_t begun          # and was this at the begin

# Let go of an index of other boxes, or without room for all positions, and make one if there is none.
cdef int renew_index(Crowd *crowd, uint64_t serial, const void *root) except -1
# The position of the oldest timer with this very token, or else of the oldest with an equal one.
cdef int64_t crowd_find(Crowd *crowd, PyObject *token, Searcher *by) except STARVED
