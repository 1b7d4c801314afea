"""What a person sees: one live line on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

REFRESH_SECONDS = 0.5


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line of progress; to stderr, so that the output of `env` and `up` stays machine-readable."""
    print(text, file=stream or sys.stderr, flush=True)


def elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


@contextmanager
def step(label: str, stream: TextIO | None = None) -> Iterator[None]:
    """Show that `label` is under way and for how long; say at the end how long it took."""
    out = stream or sys.stderr
    started = time.monotonic()
    finished = threading.Event()
    ticker = threading.Thread(target=_tick, args=(label, started, finished, out), daemon=True)
    if out.isatty():
        ticker.start()
    else:
        say(f"{label} …", out)
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        finished.set()
        if ticker.is_alive():
            ticker.join()
        start = "\r\x1b[K" if out.isatty() else ""
        say(f"{start}{label}: {outcome} {time.monotonic() - started:.1f} s", out)


def _tick(label: str, started: float, finished: threading.Event, out: TextIO) -> None:
    while not finished.wait(REFRESH_SECONDS):
        out.write(f"\r\x1b[K{label} … {elapsed(time.monotonic() - started)}")
        out.flush()
