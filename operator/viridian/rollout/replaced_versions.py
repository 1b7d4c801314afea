"""Whether the number of a registered version belongs to another version by now.

A registry that lost its database, was restored from an older backup, or has a model that was deleted and made again
gives numbers a second time. What a record says of a version holds for the version that it was made of, and for no
other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from viridian.api.registry import ModelHistory
from viridian.core.lookup import text
from viridian.core.times import parse_time
from viridian.rollout.records import RevisionRecord, ServedModel

_WHOLE_SECONDS = timedelta(seconds=1)
"""The API server cuts its times to whole seconds."""


def may_be_another(record: RevisionRecord, history: ModelHistory) -> bool:
    """Whether the registry may mean another version by the number in the record.

    A record is made after its version was registered. So a model or a version that was created later is another one.
    A wrong yes costs one question to the registry, since clocks may differ.
    """
    made = min(_times(record), default=None)
    if made is None or not history.created:
        return False
    latest = (made + _WHOLE_SECONDS).timestamp() * 1000
    is_newest = record.model.version == str(history.newest)
    return history.created > latest or (is_newest and history.newest_created > latest)


def is_another(recorded: ServedModel, found: ServedModel) -> bool:
    """Whether the registry has another version under the number of the recorded one.

    The same bytes are the same version, wherever they were registered again. So is a version of the same run whose
    tags were edited.
    """
    if recorded.digest and recorded.digest == found.digest:
        return False
    if recorded.run and found.run:
        return recorded.run != found.run
    return recorded.uri != found.uri


def _times(record: RevisionRecord) -> Iterator[datetime]:
    """A record that came back from a backup of the cluster has a younger object, and keeps its outcomes."""
    for written in (text(record.manifest, "metadata", "creationTimestamp"), *(one.at for one in record.outcomes)):
        if (time := parse_time(written)) is not None:
            yield time
