"""The one exception of this package."""

from __future__ import annotations


class LocalClusterError(Exception):
    """Something a person has to know or to do; its text says what, and is shown without a traceback."""
