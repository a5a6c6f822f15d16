# cython: language_level=3
"""What a notifier reads in one go: columns of times and of tokens."""

from timers.times cimport Kind

# The deadlines (uint64, in the order of the column) and the kind of time; None if `ats` is no column. ValueError with
# the index of a null, NaT, NaN, a masked element or an instant outside the years 1 to 9999; OverflowError with that of
# an integer beyond 64 bits with sign; TypeError for a column of no times; ValueError or RuntimeError for an Arrow
# column that is broken.
cdef bytes read_times(object ats, Kind *kind)

# The elements as plain Python objects, a null as None; None if `tokens` is no column that is read as one.
cdef list read_tokens(object tokens)
