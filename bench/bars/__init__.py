"""The bars that `MultiNotifier` has to reach, one row each: what is asked, what was measured, holds or falls short.

A group is a generator of rows and measures all that it compares in one run. Figures are nanoseconds an operation, the
Python loop over prebuilt datetimes in UTC and string tokens included; a row is the ratio of two, round by round.
"""

from bench.bars import (
    bulk,
    cancelling,
    clients,
    deadlines,
    edges,
    onebyone,
    outliers,
    resident,
    rows,
    sharing,
    snapshots,
    speed,
    ties,
)
from bench.bars.rows import Row, measure

# In the order of a table: that of the modules, not that in which they import each other.
MODULES = (speed, onebyone, outliers, resident, snapshots, sharing, bulk, cancelling, ties, deadlines, edges, clients)
GROUPS = {
    name: group for module in MODULES for name, group in rows.GROUPS.items() if group.__module__ == module.__name__
}

__all__ = ["GROUPS", "Row", "measure"]
