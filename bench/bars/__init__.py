"""The bars that `MultiNotifier` has to reach, one row each: what is asked, what was measured, holds or falls short.

A group is a generator of rows and measures all that it compares in one run. Figures are nanoseconds an operation, the
Python loop over prebuilt datetimes in UTC and string tokens included; a row is the ratio of two, round by round.
"""

from bench.bars import bulk, cancelling, resident, snapshots, speed
from bench.bars.rows import GROUPS, Row, measure

__all__ = ["GROUPS", "Row", "bulk", "cancelling", "measure", "resident", "snapshots", "speed"]
