"""The YAML file in which the administrator of the collector configures what may be kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from viridian.api import durations
from viridian.api.feedback import RetentionRules


class RulesUnusable(Exception):
    """The file cannot be used; the message says where and why."""


class _RulesFileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    deny: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    retention: str | None = None

    def understood(self) -> RetentionRules:
        retention = None if self.retention is None else durations.parse(self.retention).total_seconds()
        return RetentionRules(deny=self.deny, hash=self.hash, allow=self.allow, retention_seconds=retention)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    everywhere: _RulesFileEntry = _RulesFileEntry()
    deployments: dict[str, _RulesFileEntry] = {}


def read_rules(path: Path | None) -> tuple[RetentionRules, dict[tuple[str, str], RetentionRules]]:
    """For everybody, and by namespace and deployment."""
    if path is None:
        return RetentionRules(), {}
    try:
        file = msgspec.convert(yaml.safe_load(path.read_text()) or {}, _File)
        by_place = {}
        for place, rules in file.deployments.items():
            namespace, slash, deployment = place.partition("/")
            if not slash or not namespace or not deployment:
                raise RulesUnusable(f"{path}: {place!r} is no deployment; write namespace/name")
            by_place[namespace, deployment] = rules.understood()
        return file.everywhere.understood(), by_place
    except (OSError, ValueError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise RulesUnusable(f"{path} cannot be used: {error}") from error
