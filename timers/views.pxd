# cython: language_level=3
"""What `items()` and `values()` of a `Deadlines` answer: views that need not ask for each key.

Python code gets them from those methods; there is nothing here for other rooms.
"""
