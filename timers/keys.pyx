"""The hash table of keys: see keys.pxd."""

from libc.string cimport memcpy

from timers.bits cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, join_owners, leave_owner, owners_of
from timers.bucket cimport Timer

cdef enum:
    # The fewest places that are made.
    LEAST = 8
    PAGE = 1 << PAGE_BITS
    SHELF = 1 << SHELF_BITS

# A string's hash is the interpreter's own secret, unless `PYTHONHASHSEED` says otherwise.
SEED = <uint64_t><Py_hash_t>hash("timers")


# ---- pages and shelves

cdef size_t page_size(Keys *keys) noexcept nogil:
    return sizeof(Page) + (min(keys.size, <uint32_t>PAGE) - 1) * sizeof(Entry)


cdef uint32_t count_pages(Keys *keys) noexcept nogil:
    return (keys.size - 1) // PAGE + 1


cdef uint32_t shelf_room(Keys *keys) noexcept nogil:
    return min(count_pages(keys), <uint32_t>SHELF)


cdef size_t shelf_size(Keys *keys) noexcept nogil:
    return sizeof(Shelf) + (shelf_room(keys) - 1) * sizeof(Page *)


cdef uint32_t count_shelves(Keys *keys) noexcept nogil:
    return (keys.size - 1) // (PAGE * SHELF) + 1


cdef void free_shelf(Keys *keys, Shelf *shelf) noexcept nogil:
    cdef uint32_t index
    if leave_owner(&shelf.owners):
        return
    for index in range(shelf_room(keys)):
        if shelf.pages[index] is not NULL and not leave_owner(&shelf.pages[index].owners):
            PyMem_Free(shelf.pages[index])
    PyMem_Free(shelf)


cdef void free_keys(Keys *keys) noexcept nogil:
    cdef uint32_t index
    if keys.shelves is not NULL:
        for index in range(count_shelves(keys)):
            if keys.shelves[index] is not NULL:
                free_shelf(keys, keys.shelves[index])
        PyMem_Free(keys.shelves)
    keys.shelves = NULL
    keys.count = 0
    keys.size = 0
    keys.next = 0
    keys.shared = False


cdef Page *copy_page(Keys *keys, Page *page) noexcept nogil:
    cdef Page *twin = <Page *>PyMem_Malloc(page_size(keys))
    if twin is not NULL:
        memcpy(twin.entries, page.entries, page_size(keys) - (<size_t>page.entries - <size_t>page))
        twin.owners = 1
    return twin


cdef Shelf *copy_shelf(Keys *keys, Shelf *shelf) noexcept nogil:
    cdef Shelf *twin = <Shelf *>PyMem_Calloc(1, shelf_size(keys))
    cdef uint32_t index
    if twin is NULL:
        return NULL
    twin.owners = 1
    for index in range(shelf_room(keys)):
        if shelf.pages[index] is NULL:
            break
        if join_owners(&shelf.pages[index].owners):
            twin.pages[index] = shelf.pages[index]
        else:
            twin.pages[index] = copy_page(keys, shelf.pages[index])
            if twin.pages[index] is NULL:
                free_shelf(keys, twin)
                return NULL
    return twin


cdef int copy_keys(Keys *keys, Keys *twin) noexcept nogil:
    cdef uint32_t index
    if keys.shelves is NULL:
        return 0
    twin.shelves = <Shelf **>PyMem_Calloc(count_shelves(keys), sizeof(Shelf *))
    if twin.shelves is NULL:
        return -1
    twin.size = keys.size
    for index in range(count_shelves(keys)):
        if join_owners(&keys.shelves[index].owners):
            twin.shelves[index] = keys.shelves[index]
        else:
            twin.shelves[index] = copy_shelf(keys, keys.shelves[index])
            if twin.shelves[index] is NULL:
                free_keys(twin)
                return -1
    twin.count = keys.count
    twin.next = keys.next
    twin.shared = keys.shared = True
    return 0


cdef int own_page(Keys *keys, size_t place) noexcept nogil:
    """Make the page of a place the table's own."""
    cdef Shelf **shelf = &keys.shelves[place >> (PAGE_BITS + SHELF_BITS)]
    cdef Shelf *own
    cdef Page **page
    cdef Page *twin
    if owners_of(&shelf[0].owners) > 1:
        own = copy_shelf(keys, shelf[0])
        if own is NULL:
            return -1
        free_shelf(keys, shelf[0])
        shelf[0] = own
    page = &shelf[0].pages[place >> PAGE_BITS & (1 << SHELF_BITS) - 1]
    if owners_of(&page[0].owners) > 1:
        twin = copy_page(keys, page[0])
        if twin is NULL:
            return -1
        if not leave_owner(&page[0].owners):
            PyMem_Free(page[0])
        page[0] = twin
    return 0


cdef int own_entry(Keys *keys, size_t place) noexcept nogil:
    return own_page(keys, place) if keys.shared else 0


# ---- size

cdef int allot(Keys *keys, uint32_t size) noexcept nogil:
    """Make an empty table."""
    cdef uint32_t number, index
    cdef Shelf *shelf = NULL
    keys.size = size
    keys.count = 0
    keys.shared = False
    keys.shelves = <Shelf **>PyMem_Calloc(count_shelves(keys), sizeof(Shelf *))
    if keys.shelves is NULL:
        return -1
    for number in range(count_pages(keys)):
        index = number & SHELF - 1
        if not index:
            shelf = <Shelf *>PyMem_Calloc(1, shelf_size(keys))
            if shelf is NULL:
                free_keys(keys)
                return -1
            shelf.owners = 1
            keys.shelves[number >> SHELF_BITS] = shelf
        shelf.pages[index] = <Page *>PyMem_Calloc(1, page_size(keys))
        if shelf.pages[index] is NULL:
            free_keys(keys)
            return -1
        shelf.pages[index].owners = 1
    return 0


cdef uint32_t size_for(size_t count) noexcept nogil:
    """A size of which so many entries use nine sixteenths; 0 if there is none so large."""
    cdef uint64_t size = max(<uint64_t>LEAST, <uint64_t>count * 16 // 9)
    if size > PAGE:
        size = (size + PAGE - 1) // PAGE * PAGE
    return <uint32_t>size if size <= <uint32_t>-1 else 0


cdef int resize(Keys *keys, uint32_t size) noexcept nogil:
    cdef Keys other
    cdef Entry *entry
    cdef size_t place
    if not size or allot(&other, size) < 0:
        return -1
    for place in range(keys.size):
        entry = entry_at(keys, place)
        if entry.word:
            entry_at(&other, free_place(&other, entry.hash))[0] = entry[0]
    other.count = keys.count
    other.next = keys.next
    free_keys(keys)
    keys[0] = other
    return 0


cdef void shrink(Keys *keys) noexcept nogil:
    if not keys.count:
        free_keys(keys)
    elif keys.size > LEAST and keys.count * 6 < keys.size:
        resize(keys, size_for(keys.count))


# ---- entries

cdef size_t free_place(Keys *keys, uint32_t hash) noexcept nogil:
    cdef size_t place = home_of(keys, hash)
    while entry_at(keys, place).word:
        place = after(keys, place)
    return place


cdef int make_room(Keys *keys, uint32_t hash, size_t *place) noexcept nogil:
    if 4 * <uint64_t>(keys.count + 1) > 3 * <uint64_t>keys.size:
        if resize(keys, size_for(keys.count + 1)) < 0:
            return -1
        place[0] = free_place(keys, hash)
        return 0
    return own_entry(keys, place[0])


cdef void insert_key(Keys *keys, size_t place, uint32_t hash, size_t word, uint64_t deadline) noexcept nogil:
    cdef Entry *entry = entry_at(keys, place)
    entry.word = word
    entry.hash = hash
    keys.count += 1
    renew_key(keys, place, deadline)


cdef void renew_key(Keys *keys, size_t place, uint64_t deadline) noexcept nogil:
    cdef Entry *entry = entry_at(keys, place)
    entry.deadline = deadline
    entry.number = keys.next
    keys.next += 1


cdef int own_run(Keys *keys, size_t place) noexcept nogil:
    if keys.shared:
        while entry_at(keys, place).word:
            if own_page(keys, place) < 0:
                return -1
            place = after(keys, place)
    return 0


cdef inline size_t distance(Keys *keys, size_t place, size_t other) noexcept nogil:
    """How far the other place lies behind, around the end."""
    return other - place if other >= place else other - place + keys.size


cdef void remove_key(Keys *keys, size_t place) noexcept nogil:
    cdef size_t gap = place
    cdef Entry *entry
    while True:
        place = after(keys, place)
        entry = entry_at(keys, place)
        if not entry.word:
            break
        # One whose home lies behind the gap stays.
        if distance(keys, home_of(keys, entry.hash), place) >= distance(keys, gap, place):
            entry_at(keys, gap)[0] = entry[0]
            gap = place
    entry_at(keys, gap).word = 0
    keys.count -= 1


cdef size_t place_of(Keys *keys, uint32_t hash, size_t word) noexcept nogil:
    cdef size_t place = home_of(keys, hash)
    while entry_at(keys, place).word != word:
        place = after(keys, place)
    return place


# ---- the whole

cdef size_t keys_memory(Keys *keys) noexcept nogil:
    if keys.shelves is NULL:
        return 0
    return count_shelves(keys) * (sizeof(Shelf *) + shelf_size(keys)) + count_pages(keys) * page_size(keys)


cdef Entry *entry_of(Keys *keys, uint32_t hash, Timer *timer) noexcept nogil:
    cdef Entry *entry
    cdef size_t place
    if keys.shelves is NULL:
        return NULL
    place = home_of(keys, hash)
    while entry_at(keys, place).word:
        entry = entry_at(keys, place)
        if entry.word == timer.word:
            return entry if entry.deadline == timer.deadline else NULL
        place = after(keys, place)
    return NULL


cdef const char *check_keys(Keys *keys) noexcept nogil:
    cdef size_t place, other
    cdef size_t count = 0
    if keys.shelves is NULL:
        if keys.count:
            return "keys-counted: keys without a table"
        return NULL
    for place in range(keys.size):
        if not entry_at(keys, place).word:
            continue
        count += 1
        other = home_of(keys, entry_at(keys, place).hash)
        while other != place:
            if not entry_at(keys, other).word:
                return "keys-near: a gap before an entry"
            other = after(keys, other)
    if count != keys.count or 4 * <uint64_t>count > 3 * <uint64_t>keys.size:
        return "keys-counted: there are more or fewer entries than the table says, or too many for it"
    return NULL
