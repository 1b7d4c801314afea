"""What the API server checks of our kinds, without one: the structure, the CEL rules, and GovernancePolicies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from jsonschema import (  # type: ignore[import-untyped]
    Draft202012Validator,
    FormatChecker,
    ValidationError,
    validators,
)

from viridian.api import crd, governance_admission
from viridian.api.names import API_VERSION, GOVERNANCE_POLICY, GROUP
from viridian.api.schema import PRESERVE_UNKNOWN, VALIDATIONS
from viridian.api.structural import Schema
from viridian.cli.located_yaml import FieldProblem, Step
from viridian.core.times import parse_time

Evaluate = Callable[[str, Mapping[str, Any]], Any]
"""The value of a CEL expression over its variables."""

_KINDS: Final = {kind.name: kind for kind in crd.DEFINITIONS}
_OLD: Final = "oldSelf"
_SIZES: Final = {
    "minLength": "should be at least {} chars long",
    "maxLength": "may not be more than {} bytes",
    "minItems": "should have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} properties",
    "maxProperties": "must have at most {} properties",
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "format": "must be of type {}",
}
"""In the words of the API server."""


class ManifestRules:
    """The rules of one cluster: those of the release, and the GovernancePolicies that are given."""

    def __init__(self, evaluate: Evaluate, policies: Sequence[Mapping[str, Any]] = ()) -> None:
        self._evaluate = evaluate
        self._policies = [completed(one, _schema(GOVERNANCE_POLICY)) for one in policies]

    def problems(self, manifest: Mapping[str, Any]) -> list[FieldProblem]:
        """What the API server would answer to a new object. Rules are asked once the structure is right."""
        kind = _KINDS.get(str(manifest.get("kind")))
        if kind is None:
            known = ", ".join(_KINDS)
            return [FieldProblem(("kind",), f"no kind {manifest.get('kind')} in {GROUP}: there are {known}")]
        if manifest.get("apiVersion") != API_VERSION:
            return [FieldProblem(("apiVersion",), f"no version {manifest.get('apiVersion')}: write {API_VERSION}")]
        schema = _schema(kind.name)
        # The API server takes no status from people.
        whole = completed({name: value for name, value in manifest.items() if name != "status"}, schema)
        found = _structural_problems(whole, kind.name)
        if not found:
            found = list(self._broken_rules(whole, schema, ()))
        if not found and kind.name != GOVERNANCE_POLICY:
            found = [
                FieldProblem(("spec",), text) for policy in self._policies for text in self._demands(whole, policy)
            ]
        return found

    def _broken_rules(self, value: Any, schema: Schema, path: tuple[Step, ...]) -> Iterator[FieldProblem]:
        for rule in schema.get(VALIDATIONS, ()):
            # A rule about a change says nothing about a new object.
            if _OLD not in rule["rule"] and self._evaluate(rule["rule"], {"self": value}) is not True:
                message = rule["message"]
                if "messageExpression" in rule:
                    message = self._evaluate(rule["messageExpression"], {"self": value})
                yield FieldProblem((*path, *rule.get("fieldPath", "").split(".")[1:]), message)
        for step, inner, place in _parts(value, schema):
            yield from self._broken_rules(inner, place, (*path, step))

    def _demands(self, manifest: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[str]:
        """What a GovernancePolicy demands in vain, by the expressions of the ValidatingAdmissionPolicy that warns."""
        admission = next(
            one for one in governance_admission.manifests() if one["metadata"]["name"] == governance_admission.WARNS
        )
        given: dict[str, Any] = {"object": manifest, "oldObject": None, "params": policy, "variables": {}}
        for variable in admission["spec"]["variables"]:
            given["variables"][variable["name"]] = self._evaluate(variable["expression"], given)
        for validation in admission["spec"]["validations"]:
            if self._evaluate(validation["expression"], given) is not True:
                yield self._evaluate(validation["messageExpression"], given)


def completed(value: Any, schema: Schema) -> Any:
    """The value with the defaults of the schema, without nulls, and with numbers as the API server types them."""
    if isinstance(value, list):
        return [completed(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if is_whole and schema.get("type") == "number" else value
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    given = {name: inner for name, inner in value.items() if inner is not None or name not in known}
    absent = {name: inner["default"] for name, inner in known.items() if name not in given and "default" in inner}
    return {name: completed(inner, known.get(name, others)) for name, inner in {**given, **absent}.items()}


def dotted(path: Sequence[Step]) -> str:
    """`spec.rollout.steps[0].weight`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _parts(value: Any, schema: Schema) -> Iterator[tuple[Step, Any, Schema]]:
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if place := known.get(name, others):
                yield name, inner, place
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield index, inner, schema.get("items", {})


# ---- structure


@cache
def _schema(kind: str) -> Schema:
    return crd.root_schema(_KINDS[kind])


def _structural_problems(manifest: Mapping[str, Any], kind: str) -> list[FieldProblem]:
    errors = _validator(kind).iter_errors(manifest)
    # One entry for each: the library reports several missing fields several times.
    found = dict.fromkeys(problem for error in errors for problem in _problems(error))
    return sorted(found, key=lambda problem: dotted(problem.path))


@cache
def _validator(kind: str) -> Draft202012Validator:
    strict = _strict(_schema(kind))
    metadata = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    strict["properties"]["metadata"] = metadata
    strict["required"] = [*strict["required"], "metadata"]
    formats = FormatChecker(formats=())
    formats.checks("date-time")(lambda value: not isinstance(value, str) or parse_time(value) is not None)
    extended = validators.extend(Draft202012Validator, {"x-kubernetes-list-type": _duplicates})
    made: Draft202012Validator = extended(strict, format_checker=formats)
    return made


def _strict(schema: Schema) -> Schema:
    """As `--validate=strict` takes it: fields that the schema does not know are mistakes."""
    found = {key: value for key, value in schema.items() if key not in ("description", "default", VALIDATIONS)}
    if "properties" in found:
        found["properties"] = {name: _strict(inner) for name, inner in found["properties"].items()}
        if not found.get(PRESERVE_UNKNOWN):
            found["additionalProperties"] = False
    elif isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _strict(found["additionalProperties"])
    if "items" in found:
        found["items"] = _strict(found["items"])
    return found


def _duplicates(_: Any, kind: str, items: Any, schema: Schema) -> Iterator[ValidationError]:
    if not isinstance(items, list):
        return
    seen = []
    keys = schema.get("x-kubernetes-list-map-keys", ())
    for index, item in enumerate(items):
        identity = {key: item.get(key) for key in keys} if kind == "map" and isinstance(item, dict) else item
        if identity in seen:
            yield ValidationError(f"Duplicate value: {_shown(identity)}", path=[index])
        seen.append(identity)


def _problems(error: ValidationError) -> Iterator[FieldProblem]:
    path, value, demand = tuple(error.absolute_path), error.instance, error.validator_value
    match error.validator:
        case "required":
            yield from (FieldProblem((*path, name), "Required value") for name in demand if name not in value)
        case "additionalProperties":
            known = error.schema.get("properties", {})
            for name in value:
                if name not in known:
                    close = get_close_matches(str(name), known, 1)
                    advice = f"; did you mean {close[0]}?" if close else ""
                    yield FieldProblem((*path, name), f'unknown field "{dotted((*path, name))}"{advice}')
        case "enum" if isinstance(value, str):  # for others the type is wrong as well
            supported = ", ".join(map(_shown, demand))
            yield FieldProblem(path, f"Unsupported value: {_shown(value)}: supported values: {supported}")
        case "enum":
            return
        case "type":
            yield FieldProblem(path, f'must be of type {demand}: "{_type_of(value)}"')
        case str(word) if word in _SIZES:
            yield FieldProblem(path, f"{_SIZES[word].format(demand)}: {_shown(value)}")
        case _:
            yield FieldProblem(path, error.message)


_LONGEST_VALUE: Final = 100


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)
