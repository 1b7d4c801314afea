"""What the real Prometheus of the contract tests knows: a value each 15 s, from 12:00 to 13:00 UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

START = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
STEP = 15
END = START + 3600
WIDE = 2000
"""Series of the metric `wide`: more than the operator reads of one answer."""
_PADDING = "x" * 120


def _samples() -> Iterator[str]:
    times = range(START, END + 1, STEP)
    yield "# TYPE error_rate gauge"
    yield from (f'error_rate{{slot="blue"}} 0.1 {at}' for at in times)
    # It rises above 0.2 for the last ten minutes.
    yield from (f'error_rate{{slot="green"}} {0.31 if at > END - 600 else 0.05} {at}' for at in times)
    yield "# TYPE ended gauge"
    yield from (f"ended 1 {at}" for at in range(START, END - 900, STEP))
    yield "# TYPE gap gauge"
    yield from (f"gap 1 {at}" for at in times if not END - 1800 < at < END - 600)
    yield "# TYPE odd gauge"
    yield from (f"odd {value} {END + place * STEP}" for place, value in enumerate(("1", "NaN", "+Inf"), -2))
    yield "# TYPE wide gauge"
    yield from (f'wide{{number="{number}-{_PADDING}"}} 1 {END}' for number in range(WIDE))
    yield "# TYPE quiet gauge"
    yield from (f"quiet 1 {at}" for at in times if at <= END - 90)
    yield "# TYPE orders counter"
    # Its process began anew five minutes before the end.
    yield from (f"orders_total {(at - START if at <= END - 300 else at - END + 300) / STEP:g} {at}" for at in times)
    yield "# EOF"


METRICS = "\n".join(_samples()) + "\n"
