"""Copies: see copies.pxd."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from timers.bits cimport low_bit
from timers.boxes cimport BLOCK_BITS, Boxes, peek_in_box, replace_in_box
from timers.timerset cimport TimerSet, copy_into, exchange, is_keyed, must_be_unchanged

import copy
import copyreg
from copyreg import _slotnames as slot_names
from types import MethodDescriptorType

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
    unsigned long Py_TPFLAGS_HEAPTYPE
    PyTypeObject *Py_TYPE(object thing) noexcept
    bint PyObject_TypeCheck(object thing, PyTypeObject *kind) noexcept

# As C variables they are found at once.
cdef object new_object = copyreg.__newobj__
cdef object new_object_with_names = copyreg.__newobj_ex__
cdef object deepcopy = copy.deepcopy
# What `copy` does with what `__reduce_ex__` answers; deep, if there is a memo.
cdef object reconstruct = copy._reconstruct
# What stands for an attribute that is not there.
cdef object NOTHING = object()


cdef tuple recipe(self):
    kind = type(self)
    # Asked of the class, as CPython does: an object's `__getattr__` may have an answer to anything.
    if hasattr(kind, "__getnewargs_ex__"):
        wanted = self.__getnewargs_ex__()
        if type(wanted) is not tuple or len(<tuple>wanted) != 2:
            raise TypeError(f"__getnewargs_ex__() must answer a tuple and a dict, not {wanted!r}")
        arguments, names = wanted
        if not isinstance(arguments, tuple) or not isinstance(names, dict):
            raise TypeError(f"__getnewargs_ex__() must answer a tuple and a dict, not {wanted!r}")
        if names:
            return new_object_with_names, (kind, arguments, names)
    elif hasattr(kind, "__getnewargs__"):
        arguments = self.__getnewargs__()
        if not isinstance(arguments, tuple):
            raise TypeError(f"__getnewargs__() must answer a tuple, not {arguments!r}")
    else:
        arguments = ()
    return new_object, (kind, *arguments)


cdef inline bint has_dict(self) except -1:
    return type(self).__dictoffset__ != 0


cdef dict attributes_of(self):
    attributes = dict(self.__dict__) if has_dict(self) else {}
    attributes.pop("__orig_class__", None)
    for name in slot_names(type(self)):
        if hasattr(self, name):
            attributes[name] = getattr(self, name)
    return attributes


cdef int set_attributes(self, attributes) except -1:
    cdef dict others = {}
    cdef list before = []
    if type(attributes) is not dict:
        raise TypeError("the attributes of a state must be a dict")
    slots = slot_names(type(self))
    for name, value in (<dict>attributes).items():
        if name not in slots:
            others[name] = value
    if others and not has_dict(self):
        raise ValueError(f"the state has an attribute {next(iter(others))!r} that the class has not")
    try:
        for name, value in (<dict>attributes).items():
            if name in slots:
                before.append((name, getattr(self, name, NOTHING)))
                object.__setattr__(self, name, value)
        if others:
            self.__dict__.update(others)
    except BaseException:
        for name, value in before:
            reset_attribute(self, name, value)
        raise
    return 0


cdef int reset_attribute(self, name, value) except -1:
    try:
        if value is NOTHING:
            object.__delattr__(self, name)
        else:
            object.__setattr__(self, name, value)
    except AttributeError:
        # It was this that could not be set.
        pass
    return 0


cdef int take_state(TimerSet self, TimerSet fresh, tuple state) except -1:
    exchange(self, fresh)
    if len(state) == 5:
        try:
            set_attributes(self, state[4])
        except BaseException:
            exchange(self, fresh)
            raise
    return 0


cdef bint has_recipe(self) except -1:
    kind = type(self)
    if not Py_TYPE(self).tp_flags & Py_TPFLAGS_HEAPTYPE:
        return False
    for name in ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__"):
        method = getattr(kind, name)
        if type(method) is not MethodDescriptorType or not issubclass(method.__objclass__, TimerSet):
            return True
    return kind in copyreg.dispatch_table


cdef object copy_by_recipe(self, memo):
    reduce = copyreg.dispatch_table.get(type(self))
    reduced = self.__reduce_ex__(4) if reduce is None else reduce(self)
    return self if isinstance(reduced, str) else reconstruct(self, memo, *reduced)


cdef TimerSet hand_over(TimerSet twin, TimerSet fresh, uint64_t version):
    """Give a twin its timers in one step; `version`: when it was made, since when it may have been shown around."""
    with cython.critical_section(twin):
        must_be_unchanged(twin, version)
        exchange(twin, fresh)
    return twin


cdef TimerSet anew(TimerSet self, function, arguments):
    twin = function(*arguments)
    # Not `isinstance`, which believes what a class says of itself.
    if not PyObject_TypeCheck(twin, Py_TYPE(self)):
        raise TypeError(f"{type(self).__name__}.__new__() must answer one of its kind, not {type(twin).__name__}")
    return twin


cdef TimerSet copy_of(TimerSet self, TimerSet twin):
    cdef uint64_t version
    cdef TimerSet fresh = TimerSet.__new__(TimerSet)
    if twin is None:
        function, arguments = recipe(self)
        twin = anew(self, function, arguments)
        attributes = attributes_of(self)
        version = twin.version
        copy_into(self, fresh)
        set_attributes(twin, attributes)
        return hand_over(twin, fresh, version)
    copy_into(self, twin)
    return twin


cdef TimerSet deepcopy_of(TimerSet self, TimerSet twin, memo):
    cdef TimerSet fresh = TimerSet.__new__(TimerSet)
    cdef bint is_subclass = twin is None
    cdef uint64_t version = 0
    cdef Boxes boxes
    function = arguments = attributes = None
    if is_subclass:
        function, arguments = recipe(self)
        attributes = attributes_of(self)
    copy_into(self, fresh)
    boxes = fresh.boxes
    if is_keyed(fresh) and boxes.loose:
        return None
    if is_subclass:
        twin = anew(self, function, (arguments[0], *deepcopy(arguments[1:], memo)))
        version = twin.version
    memo[id(self)] = twin
    if boxes is not None and boxes.loose:
        copy_tokens(boxes, memo)
    if is_subclass:
        set_attributes(twin, deepcopy(attributes, memo))
    return hand_over(twin, fresh, version)


cdef int copy_tokens(Boxes boxes, memo) except -1:
    """Put copies in the place of loose tokens, into boxes that nobody else has seen."""
    cdef uint32_t number
    cdef uint64_t loose
    cdef size_t box
    for number in range(boxes.count):
        loose = boxes.rows[number].loose
        while loose:
            box = (<size_t>number << BLOCK_BITS) + low_bit(loose)
            loose &= loose - 1
            token = <object>peek_in_box(boxes, box)
            replace_in_box(boxes, box, deepcopy(token, memo))
    return 0
