# cython: language_level=3
"""A bucket that is shared cascades once, for all who share it.

    one ──> own chunk ──┐                     one ──> a copy of the wheel with what was in front
                        ├──> shared chunk                ┌──> wheel
    other ──────────────┘    [t t t ...]      other ──> forwarded chunk

To cascade changes nothing that can be observed. So what becomes of shared chunks is made once, of the timers
themselves, and the youngest of these chunks stays, to tell the other owners where that is: they share it from the time
they need the inside, too. Else each would make one of its own, and touch every token to count a reference. What an
owner has put in front since is inserted into its own copy: path copying.

Only large buckets, which are in a wheel that was copied, are forwarded, and never free-threaded, where others may be
reading them.
"""

from libc.stdint cimport uint32_t

from timers.bucket cimport Chunk
from timers.wheel cimport Slot

# All answer -1 for want of memory, and then have changed nothing that can be observed. `limit`: how many low bits may
# differ in the slot.

# Make a wheel or a crowd of a large bucket, in a slot that may be written to; it may then be shared. `mixed`: the slot
# is one of a wheel that was copied.
cdef int open_bucket(Slot *slot, uint32_t limit, bint mixed) noexcept nogil
# The same of a bucket of which a part is forwarded; any other stays as it is.
cdef int follow(Slot *slot, uint32_t limit) noexcept nogil
# Whether others own some of it, who may have it forwarded at any time, or it is forwarded in part.
cdef bint is_in_common(Chunk *newest) noexcept nogil
