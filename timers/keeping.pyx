"""How a token is kept: see keeping.pxd."""

from cpython.datetime cimport date, datetime, datetime_tzinfo, get_utc, import_datetime, time, time_tzinfo, timedelta
from cpython.object cimport PyObject, Py_TYPE
from libc.string cimport strcmp

import builtins
import copy
import copyreg
import datetime as clock
import enum
import sys
from collections import namedtuple
from types import MemberDescriptorType, ModuleType

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member
    PyTypeObject PyBaseObject_Type
    PyTypeObject PyTuple_Type
    PyTypeObject PyType_Type
    void *PyObject_GenericGetAttr
    bint PyType_Check(object thing) noexcept
    bint PyTuple_Check(object thing) noexcept
    bint PyFunction_Check(object thing) noexcept
    PyObject *PyFunction_GetCode(object function) noexcept
    PyObject *PyFunction_GetGlobals(object function) noexcept
    bint PyMethod_Check(object thing) noexcept
    PyObject *PyMethod_GET_FUNCTION(object method) noexcept
    bint PyCFunction_CheckExact(object thing) noexcept
    bint PyType_IsSubtype(PyTypeObject *kind, PyTypeObject *base) noexcept
    PyObject *_PyType_Lookup(PyTypeObject *kind, object name) noexcept
    PyObject **_PyObject_GetDictPtr(object thing) noexcept
    PyObject *PyDict_GetItem(object table, object key) noexcept
    bint PyDict_Next(PyObject *table, Py_ssize_t *place, PyObject **key, PyObject **value) noexcept
    Py_ssize_t PyObject_Size(object thing) noexcept

cdef extern from *:
    """
    /* As datetime.h does not have it; its size is compared before anything is read. */
    typedef struct { PyObject_HEAD PyObject *offset; PyObject *name; } timers_timezone;
    """
    ctypedef struct timezone_parts "timers_timezone":
        PyObject *offset
        PyObject *name

import_datetime()

cdef enum:
    # How deep, and through how many parts, a container is looked.
    DEPTH = 8
    PARTS = 100

cdef object timezone_kind = clock.timezone
cdef object enum_kind = enum.EnumMeta
cdef object enum_copies = vars(enum.Enum).get("__deepcopy__")
cdef object enum_reduces = vars(enum.Enum).get("__reduce_ex__")
# Early 3.11 gave flags one of their own.
cdef object flag_reduces = vars(enum.Flag).get("__reduce_ex__")
cdef object frozendict_kind = getattr(builtins, "frozendict", None)
# What each class has that `namedtuple` made.
cdef object named_arguments = namedtuple("named", "field").__getnewargs__.__code__
cdef object tuple_new = namedtuple("named", "field").__new__.__globals__.get("_tuple_new")
# Those who have told `copy` otherwise.
cdef dict copiers = getattr(copy, "_deepcopy_dispatch", {})
cdef dict reducers = copyreg.dispatch_table
# Their modules may never be needed: the first token that looks like one of theirs looks for them.
cdef object decimal_kind = None
cdef object decimal_copies = None
cdef object fraction_kind = None
cdef object fraction_copies = None
cdef object uuid_kind = None
cdef object safe_kind = None
cdef Py_ssize_t uuid_int, uuid_safe     # where in a UUID these are
cdef bint timezone_known = (<PyTypeObject *>timezone_kind).tp_basicsize == sizeof(timezone_parts)


cdef Keeping keeping_of(object token) noexcept:
    cdef int parts = PARTS
    return keeping_of_part(token, DEPTH, &parts)


cdef bint lies_in_tree_surely(object token) noexcept:
    cdef int parts = PARTS
    return is_plain(token, DEPTH, &parts)


cdef bint is_plain(object token, int depth, int *parts) noexcept:
    parts[0] -= 1
    if parts[0] < 0:
        return False
    if <PyObject *>Py_TYPE(token) is not <PyObject *>tuple:
        return is_atom(token)
    if not depth:
        return False
    for part in <tuple>token:
        if not is_plain(part, depth - 1, parts):
            return False
    return True


cdef Keeping keeping_of_part(object token, int depth, int *parts) noexcept:
    parts[0] -= 1
    if parts[0] < 0:
        return LOOSE
    if is_scalar(token):
        return IN_TREE
    if <PyObject *>Py_TYPE(token) is <PyObject *>tuple:
        return keeping_of_items(<tuple>token, depth, parts)
    return keeping_of_rare(token, <PyTypeObject *>Py_TYPE(token), depth, parts)


cdef inline bint is_atom(object token) noexcept:
    """Of a type that `copy` takes as it is, before it looks into its tables."""
    cdef PyObject *kind = <PyObject *>Py_TYPE(token)
    return (kind is <PyObject *>str or kind is <PyObject *>int or kind is <PyObject *>bytes or token is None
            or kind is <PyObject *>float or kind is <PyObject *>bool or kind is <PyObject *>complex)


cdef inline bint is_scalar(object token) noexcept:
    cdef PyObject *kind = <PyObject *>Py_TYPE(token)
    return is_atom(token) or (is_plain_date(token, kind) and not is_registered(<PyTypeObject *>kind))


cdef bint is_plain_date(object token, PyObject *kind) noexcept:
    if kind is <PyObject *>date or kind is <PyObject *>timedelta:
        return True
    if kind is <PyObject *>datetime:
        return is_plain_zone(datetime_tzinfo(token))
    if kind is <PyObject *>time:
        return is_plain_zone(time_tzinfo(token))
    return kind is <PyObject *>timezone_kind and is_plain_zone(token)


cdef bint is_plain_zone(object zone) noexcept:
    cdef timezone_parts *held
    if zone is None or zone is get_utc():
        return True
    if not timezone_known or <PyObject *>Py_TYPE(zone) is not <PyObject *>timezone_kind:
        return False
    held = <timezone_parts *><PyObject *>zone
    return (<PyObject *>Py_TYPE(<object>held.offset) is <PyObject *>timedelta
            and (held.name is NULL or <PyObject *>Py_TYPE(<object>held.name) is <PyObject *>str))


cdef Keeping keeping_of_items(tuple token, int depth, int *parts) noexcept:
    cdef Keeping worst = IN_TREE
    if not depth:
        return LOOSE
    for part in token:
        worst = max(worst, keeping_of_part(part, depth - 1, parts))
        if worst == LOOSE:
            break
    return worst


cdef Keeping keeping_of_rare(object token, PyTypeObject *kind, int depth, int *parts) noexcept:
    """Of a type that needs a box at least."""
    cdef Py_ssize_t place = 0
    cdef Py_ssize_t seen = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef PyTypeObject *meta
    if PyTuple_Check(token):
        # The parts first, which are asked sooner than the class.
        if not has_room_for_parts_alone(kind) or keeping_of_items(<tuple>token, depth, parts) == LOOSE:
            return LOOSE
        return FIXED if copies_as_named_tuple(kind) else LOOSE
    if PyFunction_Check(token) or PyCFunction_CheckExact(token):
        return FIXED
    if PyType_Check(token):
        return FIXED if kind is &PyType_Type or not is_registered(kind) else LOOSE
    if kind is <PyTypeObject *>frozenset:
        if not depth or is_registered(kind):
            return LOOSE
        try:
            for part in <frozenset>token:
                if keeping_of_part(part, depth - 1, parts) == LOOSE:
                    return LOOSE
        except MemoryError:
            # Of an iterator, which is made where Cython knows no other way.
            return LOOSE
        return FIXED
    if frozendict_kind is not None and kind is <PyTypeObject *>frozendict_kind:
        if not depth:
            return LOOSE
        while PyDict_Next(<PyObject *>token, &place, &key, &value):
            if (keeping_of_part(<object>key, depth - 1, parts) == LOOSE
                    or keeping_of_part(<object>value, depth - 1, parts) == LOOSE):
                return LOOSE
            seen += 1
        # Unless `PyDict_Next` knows no such type.
        return FIXED if seen == PyObject_Size(token) else LOOSE
    meta = <PyTypeObject *>Py_TYPE(<object><PyObject *>kind)
    if meta is not &PyType_Type and PyType_IsSubtype(meta, <PyTypeObject *>enum_kind):
        return FIXED if is_fixed_member(token, kind, depth, parts) else LOOSE
    return keeping_of_imported(token, kind)


cdef bint is_registered(PyTypeObject *kind) noexcept:
    """Whether the tables of `copy` or `copyreg` say how to copy what is of this very type.

    A key there that is no type may be asked whether it equals this one, and that is foreign code.
    """
    if (<PyTypeObject *>Py_TYPE(<object><PyObject *>kind)).tp_hash is not PyBaseObject_Type.tp_hash:
        # The question would run its code.
        return True
    return (PyDict_GetItem(copiers, <object><PyObject *>kind) is not NULL
            or PyDict_GetItem(reducers, <object><PyObject *>kind) is not NULL)


cdef inline bint is_inherited(PyTypeObject *kind, str name) noexcept:
    return _PyType_Lookup(kind, name) is _PyType_Lookup(&PyBaseObject_Type, name)


cdef inline bint has_room_for_parts_alone(PyTypeObject *kind) noexcept:
    """Of a subclass of tuple: as a named tuple."""
    return (kind.tp_basicsize == PyTuple_Type.tp_basicsize and not kind.tp_dictoffset and not kind.tp_weaklistoffset
            and kind.tp_getattro is PyObject_GenericGetAttr and kind.tp_finalize is NULL
            and kind.tp_iter is PyTuple_Type.tp_iter)


cdef bint copies_as_named_tuple(PyTypeObject *kind) noexcept:
    return (_PyType_Lookup(kind, "_fields") is not NULL
            and is_inherited(kind, "__deepcopy__") and is_inherited(kind, "__reduce_ex__")
            and is_inherited(kind, "__reduce__") and is_inherited(kind, "__getstate__")
            and is_inherited(kind, "__getnewargs_ex__") and is_made_by_namedtuple(kind) and not is_registered(kind))


cdef bint is_made_by_namedtuple(PyTypeObject *kind) noexcept:
    """Whether a copy is made by the `__getnewargs__` and `__new__` that each named tuple has, and not by others."""
    cdef PyObject *arguments = _PyType_Lookup(kind, "__getnewargs__")
    if (arguments is NULL or not PyFunction_Check(<object>arguments)
            or PyFunction_GetCode(<object>arguments) is not <PyObject *>named_arguments
            or <PyObject *>Py_TYPE(<object><PyObject *>kind) is not <PyObject *>type):
        return False
    # Any other descriptor may run code of its own.
    found = <object>_PyType_Lookup(kind, "__new__")
    maker = found.__func__ if type(found) is staticmethod else found
    # The only one to call the `__new__` of tuples so.
    return (PyFunction_Check(maker)
            and PyDict_GetItem(<object>PyFunction_GetGlobals(maker), "_tuple_new") is <PyObject *>tuple_new)


cdef bint is_fixed_member(object token, PyTypeObject *kind, int depth, int *parts) noexcept:
    cdef PyObject **attributes
    cdef PyObject *reduces = _PyType_Lookup(kind, "__reduce_ex__")
    cdef PyObject *found
    if kind.tp_getattro is not PyObject_GenericGetAttr or is_registered(kind):
        return False
    if enum_copies is not None:
        if _PyType_Lookup(kind, "__deepcopy__") is not <PyObject *>enum_copies:
            return False
        # It may have an attribute of its own.
        try:
            copier = token.__deepcopy__
        except MemoryError:
            return False
        return PyMethod_Check(copier) and PyMethod_GET_FUNCTION(copier) is <PyObject *>enum_copies
    # The copy is the member of an equal value.
    if (_PyType_Lookup(kind, "__deepcopy__") is not NULL or reduces is NULL
            or (reduces is not <PyObject *>enum_reduces and reduces is not <PyObject *>flag_reduces)):
        return False
    attributes = _PyObject_GetDictPtr(token)
    if attributes is NULL or attributes[0] is NULL or not depth:
        return False
    # Held, as to look into them may ask a key.
    held = <object>attributes[0]
    if PyDict_GetItem(held, "__deepcopy__") is not NULL or PyDict_GetItem(held, "__reduce_ex__") is not NULL:
        return False
    found = PyDict_GetItem(held, "_value_")
    if found is NULL:
        return False
    value = <object>found
    return keeping_of_part(value, depth - 1, parts) != LOOSE


cdef Keeping keeping_of_imported(object token, PyTypeObject *kind) noexcept:
    cdef PyObject *held
    cdef char first = kind.tp_name[0]
    if first != c"d" and first != c"F" and first != c"U":
        return LOOSE
    if is_decimal(kind):
        return FIXED if copies_as(kind, decimal_copies) else LOOSE
    if strcmp(kind.tp_name, "Fraction") == 0:
        if fraction_kind is None:
            look_for("fractions", "Fraction")
        return FIXED if <PyObject *>kind is <PyObject *>fraction_kind and copies_as(kind, fraction_copies) else LOOSE
    if strcmp(kind.tp_name, "UUID") == 0:
        if uuid_kind is None:
            look_for("uuid", "UUID")
        if <PyObject *>kind is <PyObject *>uuid_kind and copies_as(kind, None):
            held = (<PyObject **>(<char *><PyObject *>token + uuid_int))[0]
            if held is NULL or <PyObject *>Py_TYPE(<object>held) is not <PyObject *>int:
                return LOOSE
            held = (<PyObject **>(<char *><PyObject *>token + uuid_safe))[0]
            if held is not NULL and <PyObject *>Py_TYPE(<object>held) is <PyObject *>safe_kind:
                return FIXED
    return LOOSE


cdef bint is_decimal(PyTypeObject *kind) noexcept:
    if strcmp(kind.tp_name, "decimal.Decimal"):
        return False
    if decimal_kind is None:
        look_for("decimal", "Decimal")
    return <PyObject *>kind is <PyObject *>decimal_kind


cdef bint copies_as(PyTypeObject *kind, object known) noexcept:
    """Whether a class that can be changed has the `__deepcopy__` yet that it came with, or None."""
    cdef PyObject *copier = _PyType_Lookup(kind, "__deepcopy__")
    return copier is (<PyObject *>known if known is not None else NULL) and not is_registered(kind)


cdef void look_for(str place, str name) noexcept:
    """Get to know a class of a module, if that has been imported: else no token is of it."""
    global decimal_kind, decimal_copies, fraction_kind, fraction_copies, uuid_kind, safe_kind, uuid_int, uuid_safe
    cdef PyObject *module
    cdef dict names
    try:
        module = PyDict_GetItem(sys.modules, place)
        if module is NULL or type(<object>module) is not ModuleType:
            return
        names = vars(<object>module)
        kind = names[name]
        if not PyType_Check(kind):
            return
        if name == "Decimal":
            decimal_copies = vars(kind)["__deepcopy__"]
            decimal_kind = kind
        elif name == "Fraction":
            fraction_copies = vars(kind)["__deepcopy__"]
            fraction_kind = kind
        else:
            uuid_int = slot_of(kind, "int")
            uuid_safe = slot_of(kind, "is_safe")
            safe_kind = names["SafeUUID"]
            uuid_kind = kind
    except Exception:
        pass


cdef Py_ssize_t slot_of(object kind, str name) except -1:
    slot = vars(kind)[name]
    if type(slot) is not MemberDescriptorType:
        raise TypeError
    return (<PyMemberDescrObject *><PyObject *>slot).d_member.offset
