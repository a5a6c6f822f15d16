"""The views: see views.pxd."""

cimport cython

from timers.pending cimport ITEMS, TIMES, Shape, iterate
from timers.timerset cimport TimerSet

from collections.abc import ItemsView, ValuesView


class Items(ItemsView):
    __slots__ = ()

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
