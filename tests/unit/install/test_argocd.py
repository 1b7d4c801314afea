"""Argo CD's view of our kinds: its own Lua runs the checks and actions on statuses that the operator writes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from docs.scripts import argo_cd
from localcluster.binaries import program
from localcluster.builder import ensure
from tests.support.snapshots import NOW, ago_time, promoted, record, rejected, slot, snapshot, spec
from tests.support.stack.argo_cd import record as argo_cd_record
from tests.unit.install.rendering import ROOT
from tests.unit.retraining.world import World, policy
from tests.unit.rollout.cases import BLUE, FIRST_STEP, KNOWN, ONE_STEADY, TWO_WARM, V2, move_of, trial_world
from viridian.api import reasons
from viridian.api.crd import UNSEEN
from viridian.rollout.decide import decide
from viridian.rollout.input import RolloutInput
from viridian.rollout.traffic.record import Trial

pytestmark = pytest.mark.needs_programs

Object = Mapping[str, Any]
CONFIG: Final = yaml.safe_load((ROOT / "manifests" / "argocd" / "argocd-cm.yaml").read_text())["data"]
USER: Final = "system:serviceaccount:argocd:argocd-server"
_BEFORE: Final = "local print, tostring = print, tostring\nstring, os, io, math, coroutine, debug = nil\n"
"""Argo CD opens the base and the table library alone."""
_HEALTH: Final = "print(made.status)\nprint(made.message)\n"
_DISCOVERED: Final = "for name, action in pairs(made) do print(name, tostring(action.disabled)) end\n"
_ANNOTATED: Final = "for key, value in pairs(made.metadata.annotations) do print(key, value) end\n"


@cache
def interpreter() -> str:
    ensure(["glua"])
    return program("glua")


def lua(script: str, obj: Object, then: str) -> list[list[str]]:
    """The lines that `then` prints of what the script makes of the object."""
    done = run(script, obj, then)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def run(script: str, obj: Object, then: str) -> subprocess.CompletedProcess[str]:
    program_text = f"{_BEFORE}local obj = {literal(obj)}\nlocal made = (function()\n{script}\nend)()\n{then}"
    return subprocess.run(
        [interpreter(), "/dev/stdin"], input=program_text, capture_output=True, text=True, check=False
    )


def literal(value: Any) -> str:
    """A value as Lua writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"[{literal(str(key))}] = {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "{" + ", ".join(map(literal, value)) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nil"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def deployment(shown: RolloutInput, **metadata: Any) -> Object:
    """The ModelDeployment after the operator's pass over this world."""
    status = decide(shown, NOW).status
    return {"metadata": {"generation": 1, "resourceVersion": "41", **metadata}, "status": status or {}}


def health(kind: str, obj: Object) -> tuple[str, str]:
    (status,), (message, *_) = lua(CONFIG[f"resource.customizations.health.viridian.dev_{kind}"], obj, _HEALTH)
    return status, message


def actions(kind: str) -> Any:
    return yaml.safe_load(CONFIG[f"resource.customizations.actions.viridian.dev_{kind}"])


def offered(kind: str, obj: Object) -> set[str]:
    found = lua(actions(kind)["discovery.lua"], obj, _DISCOVERED)
    assert {name for name, _ in found} == {one["name"] for one in actions(kind)["definitions"]}
    return {name for name, disabled in found if disabled == "false"}


def action(kind: str, name: str) -> str:
    (script,) = [one["action.lua"] for one in actions(kind)["definitions"] if one["name"] == name]
    return str(script)


def done(kind: str, name: str, obj: Object) -> dict[str, str]:
    """The annotations after the action."""
    return {line[0]: line[1] for line in lua(action(kind, name), obj, _ANNOTATED)}


TRIAL: Final = trial_world(replace(FIRST_STEP, since=ago_time(4)))
APPROVAL: Final = spec(rollout={"steps": [{"approval": {}}]})
AWAITING: Final = trial_world(Trial(V2, entered=ago_time(9), since=ago_time(8)), readings={}, whole=APPROVAL)
TURNED_AWAY: Final[dict[str, Any]] = {
    "wanted": "2",
    "known": (record("1", promoted()), record("2", rejected())),
    "traffic": ONE_STEADY,
    "slots": (slot(BLUE, "1"),),
}
PINNED: Final = snapshot(of=spec(model={"registry": {"name": "churn", "version": "2"}}), **TURNED_AWAY)
DOWN: Final = snapshot(known=KNOWN, traffic=ONE_STEADY, slots=[slot(BLUE, "1", ready=0)], wanted="1")


@pytest.mark.parametrize(
    ("shown", "status", "reason"),
    [
        (snapshot(), "Progressing", reasons.FIRST_DEPLOYMENT),
        (snapshot(**TWO_WARM), "Healthy", reasons.SERVING),
        (TRIAL, "Progressing", reasons.ROLLING_OUT),
        (AWAITING, "Suspended", reasons.AWAITING_APPROVAL),
        (PINNED, "Degraded", reasons.REVISION_REJECTED),
        (snapshot(**TURNED_AWAY), "Healthy", reasons.REVISION_REJECTED),
        (DOWN, "Degraded", ""),
    ],
    ids=["first", "at rest", "on trial", "awaits approval", "pinned and rejected", "alias and rejected", "no pod"],
)
def test_health_of_a_model(shown: RolloutInput, status: str, reason: str) -> None:
    found, message = health("ModelDeployment", deployment(shown))
    assert found == status, message
    assert message.startswith(reason)
    assert len(message) > 20


@pytest.mark.parametrize("kind", ["ModelDeployment", "RetrainPolicy"])
def test_what_the_operator_has_not_seen_is_on_its_way(kind: str) -> None:
    for new in ({}, {"status": {"observedGeneration": UNSEEN}}):
        assert health(kind, {**new, "metadata": {"generation": 1}}) == (
            "Progressing",
            "the operator has not seen this object yet",
        )
    seen = deployment(snapshot(**TWO_WARM))
    assert health(kind, {**seen, "metadata": {"generation": 2}}) == (
        "Progressing",
        "the operator has not seen the newest edit yet",
    )
    assert health(kind, {**seen, "metadata": {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}})[0] == (
        "Progressing"
    )


def test_which_actions_make_sense() -> None:
    assert offered("ModelDeployment", deployment(snapshot())) == set()
    assert offered("ModelDeployment", deployment(snapshot(**TWO_WARM))) == {"rollback"}
    assert offered("ModelDeployment", deployment(TRIAL)) == {"promote", "abort", "rollback"}
    assert offered("ModelDeployment", deployment(AWAITING)) == {"approve", "promote", "abort", "rollback"}
    assert offered("ModelDeployment", deployment(PINNED)) == {"retry"}


@pytest.mark.parametrize(
    ("action", "shown", "command", "revision"),
    [
        ("approve", AWAITING, "approve", V2),
        ("promote", TRIAL, "promote", V2),
        ("abort", TRIAL, "reject", V2),
        ("retry", PINNED, "retry", V2),
        ("rollback", snapshot(**TWO_WARM), "rollback", None),
    ],
)
def test_an_action_is_the_command_of_a_person_and_the_operator_obeys(
    action: str, shown: RolloutInput, command: str, revision: str | None
) -> None:
    before = deployment(shown, annotations={"kept": "yes"})
    after = done("ModelDeployment", action, before)
    about, number, user = after[f"viridian.dev/{command}"].split("#")
    assert (number, user) == ("41", USER)
    assert about == revision or revision is None
    assert after["kept"] == "yes"
    assert done("ModelDeployment", action, deployment(shown)).keys() == {f"viridian.dev/{command}"}
    obeyed = move_of(replace(shown, annotations=after))
    assert obeyed != move_of(shown)


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        ("approve", TRIAL, "no challenger waits for an approval"),
        ("promote", snapshot(**TWO_WARM), "no challenger is on trial beside a champion"),
        ("abort", snapshot(**TWO_WARM), "no challenger is on trial beside a champion"),
        ("retry", TRIAL, "no version stands rejected"),
        ("rollback", snapshot(), "there is nothing that the champion could give its traffic to"),
    ],
)
def test_an_action_that_is_not_offered_says_why(name: str, shown: RolloutInput, why: str) -> None:
    ended = run(action("ModelDeployment", name), deployment(shown), _ANNOTATED)
    assert (ended.returncode, ended.stdout.splitlines()[:1]) == (1, [why])
    assert run(action("ModelDeployment", name), {"metadata": {"name": "new"}}, _ANNOTATED).returncode == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("approve", "neither a run nor a candidate waits for an approval"),
        ("reject", "no candidate waits for an approval"),
    ],
)
def test_an_action_of_a_policy_that_is_not_offered_says_why(name: str, why: str) -> None:
    for status in ({}, {"lastRun": {"id": "r1", "outcome": "Promoted"}}):
        ended = run(action("RetrainPolicy", name), {"metadata": {}, "status": status}, _ANNOTATED)
        assert (ended.returncode, ended.stdout.splitlines()[:1]) == (1, [why])


def test_a_policy_is_healthy_while_it_trains_and_offers_what_waits_for_a_person() -> None:
    world = World(policy=policy()).serve("3")
    world.settle()
    world.ask_by_hand("one").settle()
    obj = {**world.policy, "metadata": {"resourceVersion": "7", **world.policy["metadata"]}}
    status, message = health("RetrainPolicy", obj)
    assert (status, message.partition(":")[0]) == ("Healthy", reasons.RUN_ACTIVE)
    assert offered("RetrainPolicy", obj) == {"run"}
    version = obj["metadata"]["resourceVersion"]
    assert done("RetrainPolicy", "run", obj)["viridian.dev/run"] == f"argocd-{version}"


def test_a_run_that_waits_for_an_approval_begins() -> None:
    spoken = policy()
    spoken["spec"]["approval"] = {"training": "Required"}
    world = World(policy=spoken).serve("3")
    world.settle()
    world.ask_by_hand("one").settle()
    obj = {**world.policy, "metadata": {"resourceVersion": "7", **world.policy["metadata"]}}
    assert offered("RetrainPolicy", obj) == {"run", "approve"}
    world.policy["metadata"].setdefault("annotations", {}).update(done("RetrainPolicy", "approve", obj))
    world.settle()
    assert world.policy["status"]["activeRun"]["id"] == obj["status"]["recommended"]["run"]


def test_the_role_of_its_server_is_bound_to_the_user_that_the_actions_name() -> None:
    binding = yaml.safe_load((ROOT / "manifests" / "argocd" / "rbac.yaml").read_text())
    (subject,) = binding["subjects"]
    assert f"system:serviceaccount:{subject['namespace']}:{subject['name']}" == USER
    assert binding["roleRef"]["name"] == "viridian-approve"


def test_the_page_is_about_a_run_with_the_shipped_files() -> None:
    run = argo_cd_record.read()
    assert run
    assert argo_cd.PAGE.read_text() == argo_cd.page(run), "run `python -m docs.scripts.argo_cd`"
    assert run.files == argo_cd_record.digest(), "run `make argocd`: what is shipped for Argo CD has changed since"


EXAMPLES: Final = sorted((ROOT / "examples" / "gitops").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_docs_name_each_example_and_it_names_paths_that_are_there(path: Path) -> None:
    assert f"examples/gitops/{path.name}" in (ROOT / "docs" / "gitops.md").read_text()
    documents = list(yaml.safe_load_all(path.read_text()))
    assert all(one["apiVersion"] and one["kind"] and one["metadata"]["name"] for one in documents)
    named = [value for one in documents for key, value in leaves(one) if key in ("path", "chart")]
    assert named
    for value in named:
        folder = value.removeprefix("./").replace("{{ .path.path }}", "manifests/samples")
        assert (ROOT / folder).exists(), folder


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, key)
    elif isinstance(value, str):
        yield key, value
