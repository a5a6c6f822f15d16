"""The hash table of keys: see keys.pxd."""

from libc.string cimport memcpy

from timers.bits cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, join_owners, leave_owner, owners_of
from timers.bucket cimport Timer

cdef enum:
    # The least room that is made.
    LEAST_BITS = 3


# ---- pages and shelves

cdef size_t page_size(Keys *keys) noexcept nogil:
    return sizeof(Page) + ((<size_t>1 << min(keys.bits, <uint32_t>PAGE_BITS)) - 1) * sizeof(Entry)


cdef uint32_t count_shelves(Keys *keys) noexcept nogil:
    cdef uint32_t shelf_bits = PAGE_BITS + SHELF_BITS
    return <uint32_t>1 << (keys.bits - shelf_bits if keys.bits > shelf_bits else 0)


cdef uint32_t pages_of_shelf(Keys *keys) noexcept nogil:
    cdef uint32_t page_bits = PAGE_BITS
    return <uint32_t>1 << (min(keys.bits - page_bits, <uint32_t>SHELF_BITS) if keys.bits > page_bits else 0)


cdef size_t shelf_size(Keys *keys) noexcept nogil:
    return sizeof(Shelf) + (pages_of_shelf(keys) - 1) * sizeof(Page *)


cdef void free_shelf(Keys *keys, Shelf *shelf) noexcept nogil:
    cdef uint32_t index
    if leave_owner(&shelf.owners):
        return
    for index in range(pages_of_shelf(keys)):
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
    keys.bits = 0
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
    for index in range(pages_of_shelf(keys)):
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
    twin.bits = keys.bits
    for index in range(count_shelves(keys)):
        if join_owners(&keys.shelves[index].owners):
            twin.shelves[index] = keys.shelves[index]
        else:
            twin.shelves[index] = copy_shelf(keys, keys.shelves[index])
            if twin.shelves[index] is NULL:
                free_keys(twin)
                return -1
    twin.count = keys.count
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

cdef int allot(Keys *keys, uint32_t bits) noexcept nogil:
    """Make an empty table of 2 ** bits places."""
    cdef uint32_t index, number
    cdef Shelf *shelf
    keys.bits = bits
    keys.count = 0
    keys.shared = False
    keys.shelves = <Shelf **>PyMem_Calloc(count_shelves(keys), sizeof(Shelf *))
    if keys.shelves is NULL:
        return -1
    for index in range(count_shelves(keys)):
        shelf = keys.shelves[index] = <Shelf *>PyMem_Calloc(1, shelf_size(keys))
        if shelf is NULL:
            free_keys(keys)
            return -1
        shelf.owners = 1
        for number in range(pages_of_shelf(keys)):
            shelf.pages[number] = <Page *>PyMem_Calloc(1, page_size(keys))
            if shelf.pages[number] is NULL:
                free_keys(keys)
                return -1
            shelf.pages[number].owners = 1
    return 0


cdef int resize(Keys *keys, uint32_t bits) noexcept nogil:
    cdef Keys wider
    cdef Entry *entry
    cdef size_t place
    if allot(&wider, bits) < 0:
        return -1
    if keys.shelves is not NULL:
        for place in range(<size_t>1 << keys.bits):
            entry = entry_at(keys, place)
            if entry.word:
                insert_key(&wider, entry.hash, entry.word, entry.deadline)
    free_keys(keys)
    keys[0] = wider
    return 0


cdef void shrink(Keys *keys) noexcept nogil:
    cdef uint32_t bits = keys.bits
    if not keys.count:
        free_keys(keys)
        return
    while bits > LEAST_BITS and keys.count * 8 < <size_t>1 << bits:
        bits -= 1
    if bits < keys.bits:
        resize(keys, bits)


# ---- entries

cdef size_t free_place(Keys *keys, uint64_t hash) noexcept nogil:
    cdef size_t place = home_of(keys, hash)
    while entry_at(keys, place).word:
        place = after(keys, place)
    return place


cdef int make_room(Keys *keys, uint64_t hash) noexcept nogil:
    if keys.shelves is NULL:
        return resize(keys, LEAST_BITS)
    if 3 * (keys.count + 1) > <size_t>2 << keys.bits:
        return resize(keys, keys.bits + 1)
    return own_entry(keys, free_place(keys, hash))


cdef void insert_key(Keys *keys, uint64_t hash, size_t word, uint64_t deadline) noexcept nogil:
    cdef Entry *entry = entry_at(keys, free_place(keys, hash))
    entry.word = word
    entry.hash = hash
    entry.deadline = deadline
    keys.count += 1


cdef int own_run(Keys *keys, size_t place) noexcept nogil:
    if keys.shared:
        while entry_at(keys, place).word:
            if own_page(keys, place) < 0:
                return -1
            place = after(keys, place)
    return 0


cdef void remove_key(Keys *keys, size_t place) noexcept nogil:
    cdef size_t gap = place
    cdef size_t mask = (<size_t>1 << keys.bits) - 1
    cdef Entry *entry
    while True:
        place = after(keys, place)
        entry = entry_at(keys, place)
        if not entry.word:
            break
        # One whose home lies behind the gap stays.
        if (place - home_of(keys, entry.hash) & mask) >= (place - gap & mask):
            entry_at(keys, gap)[0] = entry[0]
            gap = place
    entry_at(keys, gap).word = 0
    keys.count -= 1


cdef size_t place_of(Keys *keys, uint64_t hash, size_t word) noexcept nogil:
    cdef size_t place = home_of(keys, hash)
    while entry_at(keys, place).word != word:
        place = after(keys, place)
    return place


# ---- the whole

cdef size_t keys_memory(Keys *keys) noexcept nogil:
    if keys.shelves is NULL:
        return 0
    return count_shelves(keys) * (sizeof(Shelf *) + shelf_size(keys) + pages_of_shelf(keys) * page_size(keys))


cdef bint has_key(Keys *keys, uint64_t hash, Timer *timer) noexcept nogil:
    cdef size_t place
    if keys.shelves is NULL:
        return False
    place = home_of(keys, hash)
    while entry_at(keys, place).word:
        if entry_at(keys, place).word == timer.word:
            return entry_at(keys, place).deadline == timer.deadline
        place = after(keys, place)
    return False


cdef const char *check_keys(Keys *keys) noexcept nogil:
    cdef size_t place, other
    cdef size_t count = 0
    if keys.shelves is NULL:
        if keys.count:
            return "keys-counted: keys without a table"
        return NULL
    for place in range(<size_t>1 << keys.bits):
        if not entry_at(keys, place).word:
            continue
        count += 1
        other = home_of(keys, entry_at(keys, place).hash)
        while other != place:
            if not entry_at(keys, other).word:
                return "keys-near: a gap before an entry"
            other = after(keys, other)
    if count != keys.count or 3 * count > <size_t>2 << keys.bits:
        return "keys-counted: there are more or fewer entries than the table says, or too many for it"
    return NULL
