# cython: language_level=3, cdivision=True, boundscheck=False, wraparound=False
# distutils: language = c++
# distutils: extra_compile_args = -O3
"""Rivals without Python: the same timers as integers in C++, for what the structures cost by themselves.

Compiled when a benchmark starts (see compiled.py). Each function takes the microseconds of the timers in the order of
insertion, inserts and drains them in steps of 1 ms, and answers seconds for both and the order of the timers.
"""

from libc.stdint cimport int64_t
from libcpp.algorithm cimport sort
from libcpp.pair cimport pair
from libcpp.queue cimport priority_queue
from libcpp.vector cimport vector

from time import perf_counter

ctypedef pair[int64_t, int64_t] Timer


def heap(int64_t[::1] micros, int64_t steps, int64_t[::1] order):
    """`std::priority_queue` of (-microsecond, -number): the greatest comes first there."""
    cdef priority_queue[Timer] queue
    cdef int64_t step
    cdef Py_ssize_t number, taken = 0
    start = perf_counter()
    for number in range(micros.shape[0]):
        queue.push(Timer(-micros[number], -number))
    inserted = perf_counter()
    for step in range(steps):
        while not queue.empty() and -queue.top().first <= step * 1000:
            order[taken] = -queue.top().second
            taken += 1
            queue.pop()
    return inserted - start, perf_counter() - inserted


def slots(int64_t[::1] micros, int64_t steps, int64_t[::1] order):
    """One contiguous array a millisecond, sorted when it is drained."""
    cdef vector[vector[Timer]] wheel
    cdef int64_t step
    cdef size_t index
    cdef Py_ssize_t number, taken = 0
    start = perf_counter()
    wheel.resize(steps)
    for number in range(micros.shape[0]):
        wheel[(micros[number] + 999) // 1000].push_back(Timer(micros[number], number))
    inserted = perf_counter()
    for step in range(steps):
        sort(wheel[step].begin(), wheel[step].end())
        for index in range(wheel[step].size()):
            order[taken] = wheel[step][index].second
            taken += 1
        wheel[step].clear()
        wheel[step].shrink_to_fit()
    return inserted - start, perf_counter() - inserted
