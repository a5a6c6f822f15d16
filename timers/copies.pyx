"""Copies: see copies.pxd."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject, PyObject_Hash
from libc.stdint cimport uint32_t, uint64_t

from timers.bits cimport low_bit
from timers.boxes cimport BLOCK, BLOCK_BITS, Boxes, peek_in_box, replace_in_box
from timers.keys cimport Entry, entry_at, fold, insert_key, make_room, own_run, place_of, remove_key
from timers.lookup cimport find_key
from timers.timerset cimport TimerSet, boxes_of, copy_into, exchange, hash_of, must_be_unchanged
from timers.tokens cimport box_of, boxed

import copy
import copyreg
from copyreg import _slotnames as slot_names
from types import MethodDescriptorType

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
        Py_ssize_t tp_dictoffset
    unsigned long Py_TPFLAGS_HEAPTYPE
    PyObject *_PyType_Lookup(PyTypeObject *kind, object name) noexcept
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


cdef inline object of_class(self, str name):
    """What the class has by a name, or None. A `__getattr__`, of the object or a metaclass, may answer anything."""
    cdef PyObject *found = _PyType_Lookup(Py_TYPE(self), name)
    return <object>found if found is not NULL else None


cdef tuple recipe(self):
    kind = type(self)
    if of_class(self, "__getnewargs_ex__") is not None:
        wanted = self.__getnewargs_ex__()
        if type(wanted) is not tuple or len(<tuple>wanted) != 2:
            raise TypeError(f"__getnewargs_ex__() must answer a tuple and a dict, not {wanted!r}")
        arguments, names = wanted
        if not isinstance(arguments, tuple) or not isinstance(names, dict):
            raise TypeError(f"__getnewargs_ex__() must answer a tuple and a dict, not {wanted!r}")
        if names:
            return new_object_with_names, (kind, arguments, names)
    elif of_class(self, "__getnewargs__") is not None:
        arguments = self.__getnewargs__()
        if not isinstance(arguments, tuple):
            raise TypeError(f"__getnewargs__() must answer a tuple, not {arguments!r}")
    else:
        arguments = ()
    return new_object, (kind, *arguments)


cdef inline bint has_dict(self) noexcept:
    return Py_TYPE(self).tp_dictoffset != 0


cdef dict attributes_of(self):
    attributes = dict(self.__dict__) if has_dict(self) else {}
    attributes.pop("__orig_class__", None)
    for name in slot_names(type(self)):
        value = slot_value(self, name)
        if value is not NOTHING:
            attributes[name] = value
    return attributes


cdef tuple set_attributes(TimerSet self, attributes, uint32_t version):
    """All of them or none; none if the timers then are others than at a version, which foreign code may see to.

    Answers what was there before: the caller lets it go, which may be foreign code, once the timers are in place.
    """
    cdef dict others = {}
    cdef dict before = {}
    cdef dict held = {}
    if type(attributes) is not dict:
        raise TypeError("the attributes of a state must be a dict")
    slots = slot_names(type(self))
    for name, value in (<dict>attributes).items():
        # Others may run code where they are compared.
        if type(name) is not str and type(name) is not int:
            raise TypeError("the names of attributes must be strings")
        if name not in slots:
            others[name] = value
    if others:
        if not has_dict(self):
            raise ValueError(f"the state has an attribute {next(iter(others))!r} that the class has not")
        held = dict((<object>self).__dict__)
    try:
        for name, value in (<dict>attributes).items():
            if name in slots:
                before[name] = slot_value(self, name)
                object.__setattr__(self, name, value)
        if others:
            (<object>self).__dict__.update(others)
        must_be_unchanged(self, version)
    except BaseException:
        for name, value in before.items():
            reset_slot(self, name, value)
        for name in others:
            if name in held:
                (<object>self).__dict__[name] = held[name]
            else:
                (<object>self).__dict__.pop(name, None)
        raise
    return before, held


cdef object slot_value(self, name):
    try:
        return object.__getattribute__(self, name)
    except AttributeError:
        return NOTHING


cdef int reset_slot(self, name, value) except -1:
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
    cdef tuple _before = set_attributes(self, state[4], self.queue.version) if len(state) == 5 else None
    exchange(self, fresh)
    return 0


cdef inline bint is_ours(self, str name) except -1:
    method = of_class(self, name)
    return type(method) is MethodDescriptorType and issubclass(method.__objclass__, TimerSet)


cdef object own_recipe(TimerSet self):
    if not Py_TYPE(self).tp_flags & Py_TPFLAGS_HEAPTYPE:
        return None
    reduce = copyreg.dispatch_table.get(type(self))
    if reduce is not None:
        return reduce(self)
    if not is_ours(self, "__reduce_ex__") or not is_ours(self, "__reduce__"):
        return self.__reduce_ex__(4)
    if is_ours(self, "__getstate__") and is_ours(self, "__setstate__"):
        return None
    state = self.__getstate__()
    if not has_timers(state):
        if is_ours(self, "__setstate__") or not carries_timers(self, state):
            return None
        # Who was given it may have changed it.
        state = self.__getstate__()
    return recipe(self) + (state,)


cdef inline bint has_timers(state) except -1:
    """Whether a state is as ours. That of a dataclass with slots, for one, has its fields alone."""
    return type(state) is tuple and len(<tuple>state) in (4, 5) and type(state[0]) is int


cdef bint carries_timers(TimerSet self, state) except -1:
    """Whether a state of another form makes one that has as many timers: that can only be tried."""
    if generator_of(self) is not None:
        return False
    twin = reconstruct(self, None, *recipe(self), state)
    return PyObject_TypeCheck(twin, Py_TYPE(self)) and (<TimerSet>twin).queue.count == self.queue.count


cdef str generator_of(self):
    """What has made its `__getstate__`, of those that know fields alone, or None."""
    maker = getattr(of_class(self, "__getstate__"), "__module__", None)
    return maker if type(maker) is str and maker in ("dataclasses", "attr._make") else None


cdef int must_have_timers(TimerSet self, state) except -1:
    if self.queue.count and not has_timers(state):
        maker = generator_of(self)
        if maker is not None:
            raise TypeError(
                f"{type(self).__name__}.__getstate__(), which {maker} has made, leaves the timers out: write one that "
                "answers what that of its base does, and such a __setstate__"
            )
    return 0


cdef object copy_by(self, reduced, memo):
    return self if isinstance(reduced, str) else reconstruct(self, memo, *reduced)


cdef TimerSet hand_over(TimerSet twin, TimerSet fresh, uint32_t version):
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
    cdef uint32_t version
    cdef TimerSet fresh = TimerSet.__new__(TimerSet)
    if twin is None:
        function, arguments = recipe(self)
        twin = anew(self, function, arguments)
        attributes = attributes_of(self)
        version = twin.queue.version
        copy_into(self, fresh)
        _before = set_attributes(twin, attributes, version)
        return hand_over(twin, fresh, version)
    copy_into(self, twin)
    return twin


cdef TimerSet deepcopy_of(TimerSet self, TimerSet twin, memo):
    cdef TimerSet fresh = TimerSet.__new__(TimerSet)
    cdef bint is_subclass = twin is None
    cdef uint32_t version = 0
    cdef Boxes boxes
    function = arguments = attributes = None
    if is_subclass:
        function, arguments = recipe(self)
        attributes = attributes_of(self)
    copy_into(self, fresh)
    boxes = boxes_of(fresh)
    if is_subclass:
        twin = anew(self, function, (arguments[0], *deepcopy(arguments[1:], memo)))
        version = twin.queue.version
    memo[id(self)] = twin
    if boxes is not None and boxes.loose:
        if boxes.keyed:
            copy_loose_keys(fresh, memo)
        else:
            copy_tokens(boxes, memo)
    if is_subclass:
        _before = set_attributes(twin, deepcopy(attributes, memo), version)
    return hand_over(twin, fresh, version)


cdef list loose_boxes(Boxes boxes):
    cdef list found = []
    cdef uint32_t number
    cdef uint64_t loose
    for number in range(boxes.count):
        loose = boxes.rows[number].loose
        while loose:
            found.append((<size_t>number << BLOCK_BITS) + low_bit(loose))
            loose &= loose - 1
    return found


cdef int copy_tokens(Boxes boxes, memo) except -1:
    """Put copies in the place of loose tokens, into boxes that nobody else has seen."""
    cdef size_t box
    for box in loose_boxes(boxes):
        token = <object>peek_in_box(boxes, box)
        replace_in_box(boxes, box, deepcopy(token, memo))
    return 0


cdef int copy_loose_keys(TimerSet fresh, memo) except -1:
    """The same of keys. The tree knows them by their boxes, and stays as it is; in the table each keeps its number, but
    lies where the hash of its copy wants it. All leave that first: a copy may equal a key whose own copy does not."""
    cdef Boxes boxes = boxes_of(fresh)
    cdef list held = loose_boxes(boxes)
    cdef bytes block = PyBytes_FromStringAndSize(NULL, len(held) * sizeof(Entry))
    cdef Entry *entries = <Entry *>PyBytes_AS_STRING(block)
    cdef size_t index
    copy_tokens(boxes, memo)
    for index in range(<size_t>len(held)):
        take_entry(fresh, boxed(held[index]), &entries[index])
    for index in range(<size_t>len(held)):
        put_entry(fresh, &entries[index])
    return 0


cdef int take_entry(TimerSet fresh, size_t word, Entry *entry) except -1:
    cdef Boxes boxes = boxes_of(fresh)
    cdef size_t place = place_of(&boxes.keys, fold(hash_of(fresh, word)), word)
    if own_run(&boxes.keys, place) < 0:
        raise MemoryError
    entry[0] = entry_at(&boxes.keys, place)[0]
    remove_key(&boxes.keys, place)
    return 0


cdef int put_entry(TimerSet fresh, Entry *entry) except -1:
    cdef Boxes boxes = boxes_of(fresh)
    cdef size_t box = box_of(entry.word)
    cdef size_t place
    key = <object>peek_in_box(boxes, box)
    cdef uint64_t hash = <uint64_t>PyObject_Hash(key)
    boxes.hashes[box - BLOCK] = hash
    if find_key(fresh, key, hash, &place, None):
        raise ValueError("the deep copies of two keys are equal")
    if make_room(&boxes.keys, fold(hash), &place) < 0:
        raise MemoryError
    insert_key(&boxes.keys, place, fold(hash), entry.word, entry.deadline)
    # The order among equal times.
    entry_at(&boxes.keys, place).number = entry.number
    return 0
