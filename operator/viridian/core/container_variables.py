"""Variables of the containers of a pod template, found by the container's name."""

from __future__ import annotations

from collections.abc import Iterator

from viridian.core.lookup import Object, entries


def values(template: Object, container: str, variable: str) -> Iterator[str]:
    """The values that the variable has; none for one that is read from elsewhere."""
    for kind in ("initContainers", "containers"):
        for found in entries(template, "spec", kind):
            if found.get("name") == container:
                named = (entry.get("value") for entry in entries(found, "env") if entry.get("name") == variable)
                yield from (value for value in named if isinstance(value, str))


def with_value(template: Object, container: str, variable: str, before: str, after: str) -> Object:
    """The template with another value of the variable, where it has the one of before; the rest stays as it is."""
    if not before or before == after:
        return template
    old, new = {"name": variable, "value": before}, {"name": variable, "value": after}

    def changed(found: Object) -> Object:
        if found.get("name") != container:
            return found
        return {**found, "env": [new if entry == old else entry for entry in found.get("env") or ()]}

    kinds = [kind for kind in ("initContainers", "containers") if template["spec"].get(kind)]
    return {
        **template,
        "spec": {**template["spec"], **{kind: list(map(changed, template["spec"][kind])) for kind in kinds}},
    }
