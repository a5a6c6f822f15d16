# cython: language_level=3
"""What `keys()`, `items()` and `values()` of a `Deadlines` answer: in C, so that no other thread comes in between.

Python code gets them from those methods; there is nothing here for other rooms.
"""
