"""`MultiNotifier` in the place of the heap that four schedulers keep their timers in: examples to copy.

Each is a subclass, or an object of the same methods, and passes the tests that come with what it stands in for
(`python -m bench.clients`); `python -m bench --bars --only 'client_*'` times both. Two questions come up in each.

*What names a timer that is cancelled?* Its time and the very token that was given: the handle that the scheduler has
anyway. That others may equal it does no harm while it is pending, since identity comes first. Where it may be cancelled
after it has fired, it has to be equal to nothing else, or another of the same time is taken for it. A scheduler that
only marks what is cancelled, as asyncio and trio do, need not look for it, but has to sweep now and then.

*What if something else than the order of insertion decides between equal times?* Where times and ranks are small whole
numbers, put the rank into the low bits: `time << 8 | rank` sorts by itself. Where they are floats, take all that is due
at the soonest time and let a small heap decide among these, as `events` and `simulation` do. That heap compares the
scheduler's own times, so it also tells apart what is equal only as a `float`.
"""
