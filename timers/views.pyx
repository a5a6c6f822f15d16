"""The views: see views.pxd."""

cimport cython

from timers.pending cimport ITEMS, TIMES, Shape, iterate
from timers.timerset cimport TimerSet

from collections.abc import ItemsView, ValuesView


class Items(ItemsView):
    __slots__ = ()

    def __contains__(self, item):
        # As a dict's: what is no pair is none of these.
        return isinstance(item, tuple) and len(item) == 2 and ItemsView.__contains__(self, item)

    def __iter__(self):
        return iterate_view(self, ITEMS)


class Times(ValuesView):
    __slots__ = ()

    def __iter__(self):
        return iterate_view(self, TIMES)


cdef object iterate_view(view, Shape shape):
    cdef TimerSet owner = <TimerSet?>view._mapping
    with cython.critical_section(owner):
        return iterate(owner, shape)
