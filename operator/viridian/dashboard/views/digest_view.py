"""What has changed since a time and what is open, over all models that a person may list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from viridian.api import durations
from viridian.people.digest import DigestEntry, digest
from viridian.people.waiting_runs import waiting_runs

_COMMAND: Final = "`"
DEFAULT_SINCE: Final = "24h"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestQuery:
    """What a person asks for."""

    since: str
    namespace: str
    by_ticket: bool

    @classmethod
    def of(cls, query: Mapping[str, str]) -> DigestQuery:
        """From the address of the page; ValueError for a time that makes no sense."""
        since = query.get("since", "").strip() or DEFAULT_SINCE
        durations.parse(since)
        return cls(since=since, namespace=query.get("namespace", "").strip(), by_ticket=query.get("by") == "ticket")


@dataclass(frozen=True, slots=True)
class SentencePart:
    """Words, or a command to copy."""

    text: str
    is_command: bool


@dataclass(frozen=True, slots=True)
class ShownDigestSection:
    """All about one namespace, or about one ticket."""

    title: str
    changes: Sequence[DigestEntry]
    """The newest first."""
    open: Sequence[Sequence[SentencePart]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """The page."""

    since: datetime
    sections: Sequence[ShownDigestSection]
    unreadable: int
    """RetrainPolicies of another release, which are left out."""


def digest_view(
    models: Sequence[Mapping[str, Any]], policies: Sequence[Mapping[str, Any]], query: DigestQuery, now: datetime
) -> DigestView:
    """Of those in the namespace that is asked for; an empty one stands for all."""
    since = now - durations.parse(query.since)
    asked_models, asked_policies = _within(models, query.namespace), _within(policies, query.namespace)
    known_policies = [one for one in asked_policies if _is_readable(one)]
    return DigestView(
        since=since,
        sections=[
            ShownDigestSection(one.title, list(reversed(one.changes)), [_parts(sentence) for sentence in one.open])
            for one in digest(asked_models, known_policies, since, by_ticket=query.by_ticket)
        ],
        unreadable=len(asked_policies) - len(known_policies),
    )


def _within(manifests: Iterable[Mapping[str, Any]], namespace: str) -> list[Mapping[str, Any]]:
    return [one for one in manifests if namespace in ("", one["metadata"]["namespace"])]


def _is_readable(policy: Mapping[str, Any]) -> bool:
    """One policy with a spec of another release takes the page from none of the others."""
    try:
        waiting_runs(policy)
    except msgspec.ValidationError:
        return False
    return True


def _parts(sentence: str) -> list[SentencePart]:
    parts = enumerate(sentence.split(_COMMAND))
    return [SentencePart(text, is_command=bool(place % 2)) for place, text in parts if text]
