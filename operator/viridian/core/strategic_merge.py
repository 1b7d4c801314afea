"""How a pod template of the user's is merged onto Viridian's own: the strategic merge of Kubernetes, for both kinds.

A ModelDeployment's template is a fragment for the container that Viridian brings; a RetrainPolicy's template brings its
own containers, and Viridian's side holds what they need. Either way the user's value counts where both sides have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from viridian.api.texts import one_line

_MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
"""The merge keys that the Kubernetes API documents for the lists of a pod template."""
_HANDLERS: Final = frozenset({"exec", "grpc", "httpGet", "tcpSocket"})
_VALUES: Final = frozenset({"value", "valueFrom"})
_DIRECTIVE: Final = "$patch"
_LONGEST: Final = 500


class InvalidTemplate(ValueError):
    """The template cannot be merged; the message says what to write instead."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, _LONGEST))


def merge(base: Any, patch: Any, field: str = "") -> Any:
    """Strategic merge: maps key by key, the lists above by their keys, everything else replaced; null removes a key.

    `$patch: delete` takes a map or an entry of such a list away, `$patch: replace` puts it in the place of what was
    there. An entry that says nothing but `$patch: replace` does so for the whole list.
    """
    if isinstance(patch, Mapping):
        return _merge_maps(_without_alternatives(base, patch, field), patch)
    if isinstance(patch, list):
        return _merge_lists(base, patch, field)
    return patch


def names_memory(container: Mapping[str, Any]) -> bool:
    """Whether the user has written how much memory a container needs: then no limit is added, which may be too low."""
    resources = container.get("resources")
    parts = [resources.get(part) for part in ("requests", "limits")] if isinstance(resources, Mapping) else []
    return any(isinstance(part, Mapping) and "memory" in part for part in parts)


def _without_alternatives(base: Any, patch: Mapping[str, Any], field: str) -> Any:
    """The base without what the patch has another kind of: with both, the API server refuses the pod."""
    if not isinstance(base, Mapping):
        return base
    one_of = _alternatives(field, (*base, *patch))
    if not one_of & set(patch):
        return base
    return {key: value for key, value in base.items() if key in patch or key not in one_of}


def _alternatives(field: str, keys: Iterable[str]) -> frozenset[str]:
    """The keys of which an object in that field has one."""
    if field.endswith("Probe"):
        return _HANDLERS
    if field == "env":
        return _VALUES
    return frozenset(keys) - {"name", _DIRECTIVE} if field in ("volumes", "valueFrom") else frozenset()


def _merge_maps(base: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base) if isinstance(base, Mapping) and _directive(patch) == "merge" else {}
    for key, value in patch.items():
        if key == _DIRECTIVE:
            continue
        if value is None or _directive(value) == "delete":
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value, key)
    return merged


def _merge_lists(base: Any, patch: Sequence[Any], field: str) -> list[Any]:
    key = _MERGE_KEYS.get(field)
    entries = [entry for entry in patch if entry != {_DIRECTIVE: "replace"}]
    if key is None or not isinstance(base, list) or len(entries) < len(patch):
        return [merge(None, entry) for entry in entries if not _is_deleted(entry, key)]
    known = [entry for entry in base if isinstance(entry, Mapping) and isinstance(entry.get(key), str | int)]
    by_key = {entry[key]: entry for entry in known}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(entry.get(key), str | int):
            raise InvalidTemplate(f"an entry of {field} needs a `{key}`: {entry!r}")
        if _is_deleted(entry, key):
            by_key.pop(entry[key], None)
        else:
            by_key[entry[key]] = merge(by_key.get(entry[key]), entry, field)
    return list(by_key.values())


def _is_deleted(entry: Any, key: str | None) -> bool:
    if _directive(entry) != "delete":
        return False
    if key is None:
        raise InvalidTemplate(
            f"{entry!r} cannot be deleted: this list is replaced as a whole, so write the entries that stay"
        )
    return True


def _directive(patch: Any) -> str:
    """What `$patch` says about a map or an entry of a list."""
    if not isinstance(patch, Mapping):
        return "merge"
    unknown = next((key for key in patch if str(key).startswith("$") and key != _DIRECTIVE), None)
    directive = patch.get(_DIRECTIVE, "merge")
    if unknown is not None or directive not in ("merge", "replace", "delete"):
        wrong = unknown if unknown is not None else f"{_DIRECTIVE}: {directive}"
        raise InvalidTemplate(f"it says {wrong}; write $patch: delete or $patch: replace, or null to remove one field")
    return str(directive)
