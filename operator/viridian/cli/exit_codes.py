"""How commands end, for scripts."""

from __future__ import annotations

from enum import IntEnum


class CommandExit(IntEnum):
    DONE = 0
    FAILED = 1
    """A file cannot be used, or the cluster does not answer, or it refuses."""
    USAGE = 2
    """The arguments make no sense."""
    BROKEN = 3
    """`list` and `get` with `--check`: a model is broken. `lint`: a manifest is. `wait`: the rollout has failed."""
    NOTHING_TO_DO = 4
    """An order that makes no sense for any of the models now."""
