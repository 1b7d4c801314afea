"""Signatures that the operator asks for: in every new template of the namespace, whatever its spec says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.snapshots import NOW, SETTINGS, snapshot, spec
from viridian.core.signature_keys import SignatureKeys, required_keys
from viridian.rollout.input import RolloutInput
from viridian.rollout.render.required_signature import REQUIRED_KEYS_VARIABLE
from viridian.rollout.state import read

KEYS = (SignatureKeys("def*", "PEM 1\n"), SignatureKeys("other", "PEM 2"), SignatureKeys("*", "PEM 3"))


def test_those_that_match_count() -> None:
    assert required_keys(KEYS, "default") == "PEM 1\nPEM 3"
    assert required_keys(KEYS[:2], "ml") == ""


def told(of: RolloutInput) -> dict[str, dict[str, Any]]:
    """Container to its variables."""
    assert of.spec is not None
    wanted = read(of, of.spec, NOW).desired
    assert wanted is not None
    pod = wanted.template["spec"]
    containers = [*pod["initContainers"], *pod["containers"]]
    return {c["name"]: {v["name"]: v.get("value") for v in c["env"]} for c in containers}


def test_without_keys_nothing_is_added() -> None:
    assert REQUIRED_KEYS_VARIABLE not in told(snapshot())["fetch"]


@pytest.mark.parametrize("name", ["fetch", "server"])
def test_a_spec_cannot_take_it_away(name: str) -> None:
    env = [{"name": REQUIRED_KEYS_VARIABLE, "value": ""}, {"name": "VIRIDIAN_SIGNED_MODEL", "value": "mine"}]
    place = "initContainers" if name == "fetch" else "containers"
    whole = spec(server={"template": {"spec": {place: [{"name": name, "env": env}]}}})
    found = told(replace(snapshot(of=whole), settings=replace(SETTINGS, signature_keys=KEYS)))[name]
    assert found[REQUIRED_KEYS_VARIABLE] == "PEM 1\nPEM 3"
    assert found["VIRIDIAN_SIGNED_MODEL"] == "churn"


def test_an_init_step_that_was_taken_away_is_one_without_an_image() -> None:
    """The API server refuses such a pod."""
    gone = [{"name": "fetch", "$patch": "delete"}]
    whole = spec(server={"template": {"spec": {"initContainers": gone}}})
    of = replace(snapshot(of=whole), settings=replace(SETTINGS, signature_keys=KEYS))
    wanted = read(of, whole, NOW).desired
    assert wanted is not None
    (fetch,) = wanted.template["spec"]["initContainers"]
    assert "image" not in fetch
