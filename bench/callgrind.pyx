# cython: language_level=3
"""Switches callgrind on for one piece of work. Compiled when a benchmark starts; needs the headers of valgrind."""

cdef extern from *:
    """
    #include <valgrind/callgrind.h>
    static void bench_start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
    static void bench_stop(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
    """
    void bench_start()
    void bench_stop(const char *name)


def count(const char *name, work):
    """Do the work; callgrind writes what it took to a file that says `name`."""
    bench_start()
    work()
    bench_stop(name)
