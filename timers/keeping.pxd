# cython: language_level=3
"""How a token is kept: in the tree itself, or in a box (see tokens.pxd), and there fixed or loose.

A token is *fixed* where `copy.deepcopy` gives the very same object, or one that nobody can tell from it: a deep copy
shares it. All others are *loose*, and copied one by one. What lies in the tree is fixed, and of a type that the
collector need not see.

How to tell: by exact type, without a question to foreign code but where a table of `copy` holds a key that is no type.
  in the tree   str, int, bytes, float, complex, bool, None, date, timedelta; timezone with such an offset and name;
                time and datetime that are naive or in such a timezone; tuples of these
  fixed         Decimal, Fraction, UUID (with an int and a SafeUUID); functions, of Python or built in; types, unless
                `copy` has been told otherwise of their metaclass; members of an Enum whose class leaves copying to Enum
                (before Python 3.11 also: whose value is immutable); named tuples, which is subclasses of tuple with
                `_fields`, no room for attributes, and copying left to object and to what `namedtuple` gave them;
                frozenset, frozendict; of the containers those whose parts are all in this table, at most 100 parts and
                8 deep
Decimal, Fraction and UUID are known once their modules have been imported. What `copyreg`, or a class that was changed,
says of copying goes before all this, but for what `copy` takes as it is. Classes are asked each time, as they may
change; nothing is remembered of them.
"""

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        const char *tp_name
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_dictoffset
        Py_ssize_t tp_weaklistoffset
        void *tp_getattro
        void *tp_hash
        void *tp_iter
        void *tp_richcompare
        void *tp_finalize

# Where a token is kept.
cdef enum Keeping:
    IN_TREE
    FIXED
    LOOSE

# To make what it needs may start the collector, and to look into the tables of `copy` may ask a key that is in there:
# that is foreign code.
cdef Keeping keeping_of(object token) noexcept
# Whether that is IN_TREE, as can be said without foreign code, whatever the token: not of dates and times.
cdef bint lies_in_tree_surely(object token) noexcept
# Whether it is the `Decimal` of the standard library, written in C.
cdef bint is_decimal(PyTypeObject *kind) noexcept
