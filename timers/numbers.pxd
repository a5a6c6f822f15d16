# cython: language_level=3
"""A key among very many of one deadline is found by its number, without a question.

A crowd keeps its timers in the order in which they were set, and the table of the keys (keys.pxd) has a number of each
that tells the same. So it is enough to know the number of the first timer in each segment: a binary search finds the
segment of a key, and between two numbers one guesses about where in it. The first numbers are looked up when a crowd is
first searched, and lie with its index, which is given back where positions become others.

Numbers have 32 bits. Where they have gone round while a timer was pending, all of a crowd are looked through.
"""

from timers.keys cimport Entry
from timers.spots cimport Spot
from timers.timerset cimport TimerSet

# Find the timer of a key's entry; False if there is none.
cdef bint locate_entry(TimerSet self, Entry *entry, Spot *spot) except -1
