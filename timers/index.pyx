"""Searching a crowd: see index.pxd."""

from cpython.datetime cimport date, datetime, datetime_tzinfo, get_utc, import_datetime, time, time_tzinfo, timedelta
from cpython.object cimport PyObject_Hash, PyObject_RichCompareBool, Py_EQ, Py_TYPE
from cpython.tuple cimport PyTuple_GET_SIZE
from libc.stdint cimport uint32_t

from timers.bits cimport PyMem_Calloc, PyMem_Malloc, high_bit, join_owners, prefetch
from timers.boxes cimport PyTupleObject, item_of
from timers.crowd cimport SEGMENT, Index, Ring, Table, free_index, is_index_of, leave_crowd, word_at
from timers.keeping cimport PyTypeObject, is_decimal
from timers.keys cimport fold
from timers.times cimport is_cpython_zone
from timers.tokens cimport NOBODY, box_of, is_boxed

import_datetime()

cdef extern from "Python.h":
    PyTypeObject PyBaseObject_Type
    bint PyMethod_Check(object thing) noexcept
    PyObject *PyMethod_GET_FUNCTION(object method) noexcept
    bint PyCFunction_CheckExact(object thing) noexcept

cdef enum:
    # Through how many parts a tuple is looked.
    PARTS = 100
    # How many are entered at once; and of how many parts the memory is asked for.
    BATCH = 16
    FIRST = 4
    # So many positions are looked through for a very token without making an index.
    GLANCE = 128
    # What a ring says in place of its youngest position, plus one: never used, or used no more.
    FRESH = 0
    SPENT = 0xffffffff
    # The lowest bit of a ring's hash is not of the hash: whether more than one position was ever in the ring.
    SEVERAL = 1

cdef enum Nature:
    # How a token is told from others: by identity alone; by a built-in type's hash and equality; by code of its own.
    IDENTITY
    VALUE
    OWN


# ---- what a token is told by

cdef bint is_value(PyObject *token, int *parts) noexcept:
    """Whether its hash and equality, and those of all its parts, are of a built-in type, and run no foreign code.

    (To look into a frozenset may need an iterator, which may start the collector.)
    """
    cdef PyObject *kind = <PyObject *>Py_TYPE(<object>token)
    cdef object thing = <object>token
    parts[0] -= 1
    if parts[0] < 0:
        return False
    if thing is None or tells_as(kind, str) or tells_as(kind, int) or tells_as(kind, bytes) or tells_as(kind, float):
        return True
    if tells_as(kind, tuple):
        for part in <tuple>thing:
            if not is_value(<PyObject *>part, parts) and not is_identity(<PyObject *>part):
                return False
        return True
    if kind is <PyObject *>frozenset:
        try:
            for part in <frozenset>thing:
                if not is_value(<PyObject *>part, parts) and not is_identity(<PyObject *>part):
                    return False
        except MemoryError:
            # Of an iterator, which is made where Cython knows no other way.
            return False
        return True
    if kind is <PyObject *>datetime:
        zone = datetime_tzinfo(thing)
        return zone is None or is_cpython_zone(zone)
    if kind is <PyObject *>time:
        zone = time_tzinfo(thing)
        return zone is None or is_cpython_zone(zone)
    if PyMethod_Check(thing):
        # Made anew whenever it is asked for: told by its object, which is compared by identity, and its function.
        return is_identity(PyMethod_GET_FUNCTION(thing))
    if PyCFunction_CheckExact(thing) or type(thing) is type(get_utc()):
        return True
    if is_decimal(<PyTypeObject *>kind):
        return has_hash(thing)
    return tells_as(kind, date) or tells_as(kind, timedelta) or tells_as(kind, complex) or kind is <PyObject *>range


cdef inline bint tells_as(PyObject *kind, object base) noexcept:
    """Whether a type is another, or has inherited both its hash and its equality."""
    cdef PyTypeObject *told = <PyTypeObject *><PyObject *>base
    return kind is <PyObject *>base or ((<PyTypeObject *>kind).tp_hash is told.tp_hash
                                        and (<PyTypeObject *>kind).tp_richcompare is told.tp_richcompare)


cdef bint has_hash(object number) noexcept:
    """A signaling NaN has none."""
    try:
        hash(number)
    except (TypeError, MemoryError):
        return False
    return True


cdef inline bint is_identity(PyObject *token) noexcept:
    """Whether it has the equality and the hash that `object` gives."""
    cdef PyTypeObject *kind = <PyTypeObject *>Py_TYPE(<object>token)
    return (kind.tp_richcompare is PyBaseObject_Type.tp_richcompare and kind.tp_hash is PyBaseObject_Type.tp_hash)


cdef Nature nature_of(PyObject *token) noexcept:
    cdef int parts = PARTS
    if is_identity(token):
        return IDENTITY
    return VALUE if is_value(token, &parts) else OWN


# ---- the tables

cdef int make_table(Index *index, Table *table) except -1:
    """Unless it is there."""
    if table.rings is NULL:
        table.rings = <Ring *>PyMem_Calloc(<size_t>1 << index.bits, sizeof(Ring))
        if table.rings is NULL:
            raise MemoryError
    return 0


cdef int make_links(Index *index, Table *table) except -1:
    """Unless they are there."""
    if table.next is NULL:
        table.next = <uint32_t *>PyMem_Malloc(index.room * sizeof(uint32_t))
        if table.next is NULL:
            raise MemoryError
    return 0


cdef inline PyObject *token_of(size_t word, Searcher *by) noexcept nogil:
    return item_of(by.items[0], box_of(word)) if is_boxed(word) else <PyObject *>word


cdef inline bint is_over(Searcher *by) noexcept nogil:
    """Whether the timers have changed, after what may run foreign code; then no token and no box is looked at again."""
    return by.version[0] != by.begun


cdef bint are_equal(PyObject *one, PyObject *other) except -1:
    # These are kept alive meanwhile, and let go before the caller looks whether the timers have changed.
    first, second = <object>one, <object>other
    return PyObject_RichCompareBool(first, second, Py_EQ)


cdef Py_hash_t hash_of(PyObject *token) except -1:
    held = <object>token
    return PyObject_Hash(held)


cdef inline void prefetch_token(PyObject *token) noexcept nogil:
    # A string's hash often lies a line behind its type.
    prefetch(token)
    prefetch(<char *>token + 24)


cdef inline size_t *batch_at(Crowd *crowd, size_t position, size_t *count) noexcept nogil:
    """The words from a position on, in one segment, and how many they are: a few at most."""
    count[0] = min(<size_t>BATCH, SEGMENT - position % SEGMENT)
    if position + count[0] > crowd.end:
        count[0] = crowd.end - min(position, crowd.end)
    return &crowd.segments[position // SEGMENT].words[position % SEGMENT] if count[0] else NULL


cdef void ask_for(size_t *words, size_t count, bint parts, Searcher *by) noexcept:
    """Ask for the memory of tokens, which lie anywhere, or of the parts of those that are tuples."""
    cdef size_t number
    cdef Py_ssize_t index
    cdef PyObject *token
    for number in range(count):
        if words[number] == NOBODY:
            continue
        token = token_of(words[number], by)
        if not parts:
            prefetch_token(token)
        elif isinstance(<object>token, tuple):
            for index in range(min(<Py_ssize_t>FIRST, PyTuple_GET_SIZE(<object>token))):
                prefetch_token((<PyTupleObject *>token).ob_item[index])


cdef inline uint32_t identity_hash(PyObject *token) noexcept nogil:
    # Fibonacci hashing; objects lie at multiples of 16.
    return <uint32_t>((<uint64_t><size_t>token >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 32)


cdef inline size_t home_of(uint32_t hash, int bits) noexcept nogil:
    return hash >> (32 - bits) if bits < 32 else hash


cdef inline bint is_gone(Crowd *crowd, size_t position) noexcept nogil:
    return position < crowd.start or word_at(crowd, position) == NOBODY


cdef int64_t oldest(Crowd *crowd, Table *table, Ring *ring) noexcept nogil:
    """The oldest position of a ring that is still there; NOWHERE, and the ring is spent, if none is."""
    cdef uint32_t youngest = ring.youngest - 1
    # Most have one position alone, and then there is no need to look for another.
    cdef uint32_t position = table.next[youngest] if ring.hash & SEVERAL else youngest
    while is_gone(crowd, position):
        if position == youngest:
            ring.youngest = SPENT
            return NOWHERE
        position = table.next[position]
        table.next[youngest] = position
    return position


cdef int64_t look_up(
    Crowd *crowd, Table *table, int bits, uint32_t hash, PyObject *token, bint by_value, Searcher *by, Ring **ring
) except STARVED:
    """The oldest position of a key, NOWHERE, or CHANGED; `ring`: of the key, or where it would belong."""
    cdef size_t mask = (<size_t>1 << bits) - 1
    cdef size_t place = home_of(hash, bits)
    cdef Ring *free_ring = NULL
    cdef int64_t position
    cdef PyObject *candidate
    cdef bint same
    while table.rings[place].youngest != FRESH:
        ring[0] = &table.rings[place]
        if ring[0].youngest == SPENT:
            if free_ring is NULL:
                free_ring = ring[0]
        elif (ring[0].hash | SEVERAL) == (hash | SEVERAL):
            position = oldest(crowd, table, ring[0])
            if position >= 0:
                candidate = token_of(word_at(crowd, position), by)
                if candidate is token:
                    return position
                # Text and bytes may hash alike; to compare them may be a warning, and so foreign code.
                if by_value and isinstance(<object>candidate, bytes) == isinstance(<object>token, bytes):
                    same = are_equal(candidate, token)
                    if is_over(by):
                        return CHANGED
                    if same:
                        return position
            elif free_ring is NULL:
                free_ring = ring[0]
        place = (place + 1) & mask
    ring[0] = free_ring if free_ring is not NULL else &table.rings[place]
    return NOWHERE


cdef inline int enlist(
    Index *index, Table *table, Ring *ring, uint32_t hash, bint is_new, uint32_t position
) except -1:
    """Make `position` the youngest of its ring."""
    cdef uint32_t youngest = ring.youngest - 1
    if is_new:
        ring.hash = hash & ~<uint32_t>SEVERAL
    else:
        make_links(index, table)
        table.next[position] = table.next[youngest] if ring.hash & SEVERAL else youngest
        table.next[youngest] = position
        ring.hash |= SEVERAL
    ring.youngest = position + 1
    return 0


cdef void drop_stale(Crowd *crowd, uint64_t serial) noexcept nogil:
    """Let go of an index of other boxes, or without room for all positions."""
    if crowd.index is not NULL and (crowd.end > crowd.index.room or not is_index_of(crowd, serial)):
        free_index(crowd.index)
        crowd.index = NULL


cdef int renew_index(Crowd *crowd, uint64_t serial, const void *root) except -1:
    drop_stale(crowd, serial)
    if crowd.index is NULL:
        make_index(crowd, root)
    crowd.index.serial = serial
    use_index(crowd.index, root)
    return 0


cdef inline void use_index(Index *index, const void *root) noexcept nogil:
    """It is whose search was the last; but who had to make it anew keeps it."""
    if not index.stays:
        index.searcher = root


cdef int make_index(Crowd *crowd, const void *root) except -1:
    crowd.index = <Index *>PyMem_Calloc(1, sizeof(Index))
    if crowd.index is NULL:
        raise MemoryError
    crowd.index.searcher = root
    crowd.index.stays = crowd.robbed
    crowd.index.room = crowd.end + crowd.end // 2
    crowd.index.bits = high_bit(crowd.index.room) + 1
    crowd.index.room = min(crowd.index.room, <size_t>3 << crowd.index.bits >> 2)
    return 0


cdef int enter(Crowd *crowd, Table *table, bint by_value, Searcher *by) except -1:
    """Make the table, unless it is there, and enter what is new; or CHANGED."""
    cdef size_t count, more
    cdef size_t *words
    cdef size_t *next
    make_table(crowd.index, table)
    table.done = max(table.done, crowd.start)
    words = batch_at(crowd, table.done, &count)
    if by_value:
        ask_for(words, count, False, by)
    while count:
        next = batch_at(crowd, table.done + count, &more)
        if by_value:
            ask_for(next, more, False, by)
            ask_for(words, count, True, by)
        if enter_some(crowd, table, words, count, by_value, by) == CHANGED:
            return CHANGED
        words, count = next, more
    return 0


cdef int enter_some(
    Crowd *crowd, Table *table, size_t *words, size_t count, bint by_value, Searcher *by
) except -1:
    """Enter the next few words, whose tokens and rings lie anywhere: all are asked for before the first is used."""
    cdef PyObject *tokens[BATCH]
    cdef uint32_t hashes[BATCH]
    cdef uint32_t positions[BATCH]
    cdef Index *index = crowd.index
    cdef Ring *ring
    cdef Nature nature
    cdef size_t number
    cdef size_t entered = 0
    cdef size_t begin = table.done
    cdef int64_t found
    for number in range(count):
        if words[number] == NOBODY:
            continue
        if is_boxed(words[number]):
            index.serial = by.serial
        tokens[entered] = token_of(words[number], by)
        positions[entered] = <uint32_t>(begin + number)
        if by_value:
            nature = VALUE if type(<object>tokens[entered]) is str else nature_of(tokens[entered])
            if is_over(by):
                return CHANGED
            if nature == OWN:
                index.asks = True
            if nature != VALUE:
                continue
            hashes[entered] = fold(<uint64_t>hash_of(tokens[entered]))
            if is_over(by):
                return CHANGED
        else:
            hashes[entered] = identity_hash(tokens[entered])
        prefetch(&table.rings[home_of(hashes[entered], index.bits)])
        entered += 1
    for number in range(entered):
        found = NOWHERE
        ring = &table.rings[home_of(hashes[number], index.bits)]
        if ring.youngest != FRESH:
            found = look_up(crowd, table, index.bits, hashes[number], tokens[number], by_value, by, &ring)
            if found == CHANGED:
                return CHANGED
        enlist(index, table, ring, hashes[number], found < 0, positions[number])
        # At once: the next comparison may find no room on the stack, and none is entered twice.
        table.done = positions[number] + 1
    table.done = begin + count
    return 0


cdef int64_t glance(Crowd *crowd, PyObject *token, Searcher *by) noexcept:
    """The oldest position of a very token, or NOWHERE; a pass over all of them."""
    cdef size_t position = crowd.start
    cdef size_t number, count, word
    cdef size_t *words = batch_at(crowd, position, &count)
    while count:
        for number in range(count):
            word = words[number]
            if word == <size_t>token or (is_boxed(word) and word != NOBODY and token_of(word, by) is token):
                return position + number
        position += count
        words = batch_at(crowd, position, &count)
    return NOWHERE


cdef int64_t find_in(
    Crowd *crowd, Table *table, bint by_value, PyObject *token, Searcher *by, bint *alone
) except STARVED:
    """The oldest position of a key, NOWHERE, or CHANGED; `alone`: no other position has the same."""
    cdef uint32_t hash = fold(<uint64_t>hash_of(token)) if by_value else identity_hash(token)
    cdef Ring *ring
    cdef int64_t found
    if is_over(by):
        return CHANGED
    if table.rings is not NULL:
        # It comes while what is new is entered.
        prefetch(&table.rings[home_of(hash, crowd.index.bits)])
    if enter(crowd, table, by_value, by) == CHANGED:
        return CHANGED
    found = look_up(crowd, table, crowd.index.bits, hash, token, by_value, by, &ring)
    alone[0] = found == NOWHERE or found == <int64_t>ring.youngest - 1
    return found


cdef bint must_ask(Crowd *crowd, Searcher *by) noexcept:
    """Whether some token has a hash or `==` of its own, also after those that had have gone; or the timers changed."""
    cdef size_t position
    if crowd.index.asks:
        for position in range(crowd.start, crowd.end):
            if word_at(crowd, position) != NOBODY and nature_of(token_of(word_at(crowd, position), by)) == OWN:
                return True
            if is_over(by):
                return True
        crowd.index.asks = False
    return False


cdef int64_t find_by_index(Crowd *crowd, PyObject *token, Searcher *by) except STARVED:
    cdef Nature nature = nature_of(token)
    cdef int64_t found, same
    cdef bint alone
    if crowd.index.by_identity or nature != VALUE:
        found = find_in(crowd, &crowd.index.same, False, token, by, &alone)
        if found != NOWHERE:
            return found
        if nature == OWN:
            return ASK
    if nature == IDENTITY:
        if enter(crowd, &crowd.index.equal, True, by) == CHANGED:
            return CHANGED
        return ASK if must_ask(crowd, by) else NOWHERE
    found = find_in(crowd, &crowd.index.equal, True, token, by, &alone)
    if found != CHANGED and not crowd.index.by_identity and (crowd.index.asks or not alone):
        # The very token goes first.
        same = find_in(crowd, &crowd.index.same, False, token, by, &alone)
        if same != NOWHERE:
            return same
    return ASK if found != CHANGED and must_ask(crowd, by) else found


cdef inline bint is_oldest(Crowd *crowd, PyObject *token, Searcher *by) noexcept:
    cdef size_t word = word_at(crowd, crowd.start)
    return word != NOBODY and token_of(word, by) is token


cdef int64_t crowd_find(Crowd *crowd, PyObject *token, Searcher *by) except STARVED:
    cdef int64_t found
    # Who goes through a crowd from its oldest needs no index.
    if is_oldest(crowd, token, by):
        return crowd.start
    if crowd.end >= SPENT - 1 or (crowd.index is not NULL and crowd.index.busy) or not join_owners(&crowd.owners):
        found = glance(crowd, token, by)
        return found if found >= 0 else ASK
    try:
        drop_stale(crowd, by.serial)
        if crowd.index is NULL:
            found = glance(crowd, token, by)
            if found >= 0 and crowd.end - crowd.start <= GLANCE:
                return found
            make_index(crowd, by.root)
            # Who asks with the tokens that it has set goes on so, and who asks with equal ones, too.
            crowd.index.by_identity = found >= 0
        crowd.index.busy = True
        use_index(crowd.index, by.root)
        return find_by_index(crowd, token, by)
    finally:
        if crowd.index is not NULL:
            crowd.index.busy = False
        leave_crowd(crowd)
