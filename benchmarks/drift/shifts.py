"""Which columns have moved, and by how many standard deviations."""

from __future__ import annotations

from typing import Final

COLUMNS: Final = 50
SHIFTS: Final = {
    **dict.fromkeys(range(5), 0.1),
    **dict.fromkeys(range(5, 10), 0.2),
    **dict.fromkeys(range(10, 15), 0.8),
}
