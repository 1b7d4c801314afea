"""The shipped admission policies on a real API server: pod templates, approvals, and what the operator may do."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import templates
from tests.support.kube import Kube, Object, Refused, eventually
from tests.support.manifests import model_deployment, retrain_policy
from tests.support.shipped import OPERATOR, bound, refusal
from viridian.api.names import API_VERSION, MODEL_DEPLOYMENT, MODEL_DEPLOYMENT_LABEL
from viridian.core.ownership import owner_reference

DIGEST = f"sha256:{'a' * 64}"
Field = dict[str, Any]

FORBIDDEN: dict[str, tuple[Field, Field]] = {
    "privileged": ({}, {"securityContext": {"privileged": True}}),
    "root": ({}, {"securityContext": {"runAsUser": 0}}),
    "host network": ({"hostNetwork": True}, {}),
    "host processes": ({"hostPID": True}, {}),
    "host path": ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, {}),
    "a Secret as a volume": ({"volumes": [{"name": "s", "secret": {"secretName": "bank"}}]}, {}),
    "a Secret as a variable": (
        {},
        {"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "bank", "key": "password"}}}]},
    ),
    "all of a Secret": ({}, {"envFrom": [{"secretRef": {"name": "bank"}}]}),
    "a service account": ({"serviceAccountName": "powerful"}, {}),
    "a service account by its old name": ({"serviceAccount": "powerful"}, {}),
    "a token": ({"automountServiceAccountToken": True}, {}),
    "an image": ({}, {"image": "evil"}),
    "a command": ({}, {"command": ["sh", "-c", "id"]}),
    "a hook": ({}, {"lifecycle": {"postStart": {"exec": {"command": ["id"]}}}}),
    "a sidecar": ({"initContainers": [{"name": "side", "image": "evil", "restartPolicy": "Always"}]}, {}),
    "a pull secret": ({"imagePullSecrets": [{"name": "bank"}]}, {}),
}
"""What one part of a pod template reaches: fields of the pod, and of its container."""


def template(container: str, fields: tuple[Field, Field]) -> Object:
    pod, inside = fields
    own: Object = {"name": container, **({"image": "ghcr.io/acme/train:1"} if container == "train" else {}), **inside}
    return {"spec": {**copy.deepcopy(pod), "containers": [own]}}


def with_template(kind: str, namespace: str, fields: tuple[Field, Field]) -> Object:
    if kind == MODEL_DEPLOYMENT:
        return model_deployment(namespace, server={"template": template("server", fields)})
    return retrain_policy(namespace, stages={"training": {"template": template("train", fields)}})


KINDS = (MODEL_DEPLOYMENT, "RetrainPolicy")


@pytest.fixture
def user(shipped: Kube, namespace: str) -> Callable[..., Kube]:
    """Makes service accounts with the given ClusterRoles in the test's namespace."""

    def make(name: str, *roles: str) -> Kube:
        found = bound(shipped, namespace, name, *roles)
        may_see = shipped.path(API_VERSION, MODEL_DEPLOYMENT, namespace)
        eventually(lambda: found.request("GET", may_see), what=f"the rights of {name}")
        return found

    return make


@pytest.fixture
def editor(user: Callable[..., Kube]) -> Kube:
    """A data scientist: `viridian-edit` and nothing else."""
    return user("mlops", "viridian-edit")


@pytest.fixture
def developer(user: Callable[..., Kube]) -> Kube:
    """The cluster's own `edit`: may create pods and act as the service accounts of the namespace."""
    return user("developer", "edit")


@pytest.fixture
def admin(user: Callable[..., Kube]) -> Kube:
    return user("boss", "admin")


# ---- pod templates


@pytest.mark.parametrize("kind", KINDS)
def test_no_part_of_a_template_comes_from_whoever_may_not_create_pods(
    kind: str, editor: Kube, developer: Kube, namespace: str
) -> None:
    for what, fields in FORBIDDEN.items():
        said = refusal(editor, with_template(kind, namespace, fields))
        assert "needs the right to create pods (verb create, resource pods)" in said, what
        assert namespace in said, what
        assert refusal(developer, with_template(kind, namespace, fields)) == "", what


@pytest.mark.parametrize(
    "fragment",
    [
        {"metadata": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}}},
        {"metadata": {"labels": {"sidecar.istio.io/inject": "true"}}},
        {"spec": {"initContainers": [{"name": "fetch", "$patch": "delete"}]}},
        {"spec": {"containers": [{"$patch": "replace", "name": "server", "image": "evil"}]}},
    ],
    ids=["an annotation", "a label", "no init step", "another server"],
)
def test_a_fragment_reaches_pods_by_more_than_fields(editor: Kube, namespace: str, fragment: Object) -> None:
    said = refusal(editor, model_deployment(namespace, server={"template": fragment}))
    assert "spec.server.template decides what runs in the pods" in said


@pytest.mark.parametrize("stage", ["dataValidation", "features", "evaluation", "tests"])
def test_every_stage_is_looked_at(editor: Kube, developer: Kube, namespace: str, stage: str) -> None:
    made = developer.create(with_template("RetrainPolicy", namespace, ({}, {})))
    powerful = {stage: {"template": template("train", ({"serviceAccountName": "powerful"}, {}))}}
    with pytest.raises(Refused, match="right to create pods"):
        editor.merge(made, {"spec": {"stages": powerful}})
    developer.merge(made, {"spec": {"stages": powerful}})


def test_the_resolver_of_the_data_is_looked_at_like_a_stage(editor: Kube, developer: Kube, namespace: str) -> None:
    made = developer.create(with_template("RetrainPolicy", namespace, ({}, {})))
    powerful = template("train", ({"serviceAccountName": "powerful"}, {}))
    for resolver in ({}, {"template": powerful}):
        with pytest.raises(Refused, match="right to create pods"):
            editor.merge(made, {"spec": {"data": {"uri": "git+https://git.example/data", "resolver": resolver}}})
    developer.merge(made, {"spec": {"data": {"uri": "git+https://git.example/data", "resolver": {}}}})
    editor.merge(made, {"spec": {"data": {"revision": "v2"}}})
    with pytest.raises(Refused, match="right to create pods"):
        editor.merge(made, {"spec": {"data": {"uri": "git+https://elsewhere.example/data"}}})


def test_a_resource_of_a_stage_may_run_pods_as_anybody(
    user: Callable[..., Kube], shipped: Kube, developer: Kube, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    metadata = {"name": f"only-pods-{namespace}"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    shipped.create(role)
    may_create_pods = user("only-pods", "viridian-edit", metadata["name"])
    eventually(
        lambda: refusal(may_create_pods, with_template("RetrainPolicy", namespace, ({}, {}))) == "", what="its rights"
    )
    ray = {"manifest": {"apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {}}}
    policy = retrain_policy(namespace, stages={"training": {"resource": ray}})
    assert "spec.stages.training.resource may run pods with any service account" in refusal(may_create_pods, policy)
    assert refusal(developer, policy) == ""
    shipped.delete(role)


def test_a_plain_deployment_needs_no_more_than_the_role(editor: Kube, namespace: str) -> None:
    assert refusal(editor, model_deployment(namespace)) == ""
    assert refusal(editor, model_deployment(namespace, server={"replicas": 3, "template": {}})) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_account_is_named_by_who_may_act_as_it(
    kind: str, user: Callable[..., Kube], shipped: Kube, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    metadata = {"name": f"pods-{namespace}"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    shipped.create(role)
    may_create_pods = user("pods", "viridian-edit", f"pods-{namespace}")
    eventually(lambda: refusal(may_create_pods, with_template(kind, namespace, ({}, {}))) == "", what="its rights")
    for field in ("serviceAccountName", "serviceAccount"):
        said = refusal(may_create_pods, with_template(kind, namespace, ({field: "powerful"}, {})))
        assert "the service account powerful" in said
        assert "verb impersonate, resource serviceaccounts" in said
    shipped.delete(role)


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_with_the_right_wrote_may_stay(kind: str, editor: Kube, developer: Kube, namespace: str) -> None:
    fields: tuple[Field, Field] = ({"serviceAccountName": "powerful"}, {"env": [{"name": "A", "value": "1"}]})
    made = developer.create(with_template(kind, namespace, fields))
    harmless: Object = {"rollout": {"paused": True}} if kind == MODEL_DEPLOYMENT else {"suspend": True}
    editor.merge(made, {"spec": harmless})
    editor.merge(made, {"metadata": {"labels": {"team": "a"}}})
    for pod, inside in (
        ({"hostNetwork": True}, {}),
        ({"serviceAccountName": "another"}, {}),
        ({"serviceAccountName": None}, {}),
        ({}, {"env": [{"name": "A", "value": "2"}]}),
    ):
        with pytest.raises(Refused, match="right to create pods"):
            editor.merge(made, {"spec": with_template(kind, namespace, (pod, inside))["spec"]})


def test_the_runtime_decides_what_a_template_means(editor: Kube, developer: Kube, namespace: str) -> None:
    made = developer.create(
        model_deployment(namespace, server={"template": {"spec": {"containers": [{"name": "server", "image": "x"}]}}})
    )
    with pytest.raises(Refused, match="right to create pods"):
        editor.merge(made, {"spec": {"server": {"runtime": "Custom"}}})


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"model": {"uriSecretRef": {"name": "bank", "key": "password"}, "digest": DIGEST}},
            "spec.model.uriSecretRef gives the Secret bank to the pods",
        ),
        (
            {
                "model": {
                    "registry": {"name": "churn", "alias": "candidate"},
                    "signature": {"publicKeySecretRef": {"name": "bank"}},
                }
            },
            "spec.model.signature.publicKeySecretRef gives the Secret bank to the pods",
        ),
        (
            {"feedback": {"subject": "id", "hashKeySecretRef": {"name": "bank"}}},
            "spec.feedback.hashKeySecretRef gives the Secret bank to the pods",
        ),
    ],
    ids=["address", "signature", "feedback"],
)
def test_a_secret_is_named_by_who_may_read_it(
    editor: Kube, developer: Kube, namespace: str, spec: Object, said: str
) -> None:
    assert said in refusal(editor, model_deployment(namespace, **spec))
    made = developer.create(model_deployment(namespace, **spec))
    editor.merge(made, {"spec": {"rollout": {"paused": True}}})


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_of_25_kilobytes_is_no_name(kind: str, developer: Kube, namespace: str) -> None:
    said = refusal(developer, with_template(kind, namespace, ({"serviceAccountName": "x" * 25_000}, {})))
    assert re.search("Too long: may not be (more|longer) than 253", said)
    assert len(said) < 2_000


# ---- templates that are limited


def limited(policy: Object, namespace: str) -> list[Object]:
    """The policy as it is with `templates: resources-only`, for one namespace alone."""
    made = copy.deepcopy({key: policy[key] for key in ("apiVersion", "kind", "metadata", "spec")})
    name = f"{namespace}-{policy['metadata']['name']}"
    made["metadata"] = {"name": name}
    variables = {one["name"]: one for one in made["spec"]["variables"]}
    variables["resourcesOnly"]["expression"] = "true"
    if "stageImages" in variables:
        variables["stageImages"]["expression"] = str(list(templates.IMAGES))
    made["spec"]["matchConstraints"]["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {"policyName": name, "validationActions": ["Deny"]}
    kind = "ValidatingAdmissionPolicyBinding"
    return [made, {"apiVersion": made["apiVersion"], "kind": kind, "metadata": {"name": name}, "spec": binding}]


@pytest.mark.parametrize("kind", KINDS)
def test_templates_can_be_limited_for_everybody(kind: str, shipped: Kube, namespace: str) -> None:
    name = f"viridian-{'modeldeployments' if kind == MODEL_DEPLOYMENT else 'retrainpolicies'}"
    shipped_policy = shipped.get("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name)
    assert shipped_policy is not None
    objects = limited(shipped_policy, namespace)
    for made in objects:
        shipped.create(made)

    def answer(fields: tuple[Field, Field]) -> str:
        return refusal(shipped, templates.manifest(kind, namespace, templates.template(kind, fields)))

    eventually(lambda: "are limited" in answer(templates.TOO_MUCH["a command"]), what="the limits")
    for what, fields in templates.HARMLESS.items():
        assert answer(fields) == "", what
    for what, fields in templates.TOO_MUCH.items():
        assert "pod templates are limited to resources, scheduling and plain environment" in answer(fields), what
    if kind != MODEL_DEPLOYMENT:
        harmless, too_much = (templates.template(kind, one) for one in (({}, {}), templates.TOO_MUCH["a command"]))
        stages = {"training": {"template": harmless}, "tests": {"template": too_much}}
        message = refusal(shipped, templates.manifest(kind, namespace, harmless, stages=stages))
        assert "remove spec.stages.tests.template.spec.containers[train]" in message
    eventually(lambda: "typeChecking" in shipped.read(objects[0]).get("status", {}), what="the type check")
    assert shipped.read(objects[0])["status"]["typeChecking"] == {}
    for made in reversed(objects):
        shipped.delete(made)


# ---- commands of people


def say(who: Kube, target: Object, command: str, value: str) -> None:
    who.merge(target, {"metadata": {"annotations": {f"viridian.dev/{command}": value}}})


def test_who_approves_is_who_says_so(editor: Kube, developer: Kube, admin: Kube, namespace: str) -> None:
    made = editor.create(model_deployment(namespace))
    for who in (editor, developer):
        with pytest.raises(Refused, match=r"right to approve \(verb update, resource modeldeployments/approval\)"):
            say(who, made, "approve", f"deadbeef#{who.user}")
    for name in ("deadbeef", "deadbeef#head-of-risk", f"deadbeef#{admin.user}x", f"deadbeef#2#not-{admin.user}"):
        with pytest.raises(Refused, match=f"you are {admin.user}: write viridian.dev/approve=deadbeef#{admin.user}"):
            say(admin, made, "approve", name)
    say(admin, made, "approve", f"deadbeef#{admin.user}")
    # Somebody else may go on editing, and take the annotation away; saying it again is an approval again.
    editor.merge(made, {"spec": {"rollout": {"paused": True}}})
    editor.merge(made, {"metadata": {"annotations": {"viridian.dev/approve": None}}})
    with pytest.raises(Refused, match="right to approve"):
        say(editor, made, "approve", f"deadbeef#{admin.user}")
    say(admin, made, "approve", f"deadbeef#2#{admin.user}")


@pytest.mark.parametrize(
    ("command", "about"), [("promote", "deadbeef"), ("skip", "deadbeef/few"), ("skip", "deadbeef/schema,features")]
)
def test_who_passes_a_step_by_name_may_approve(
    command: str, about: str, editor: Kube, admin: Kube, namespace: str
) -> None:
    made = editor.create(model_deployment(namespace))
    with pytest.raises(Refused, match=f"viridian.dev/{command} needs the right to approve"):
        say(editor, made, command, f"{about}#{editor.user}")
    with pytest.raises(Refused, match=f"you are {admin.user}: write viridian.dev/{command}={about}#{admin.user}"):
        say(admin, made, command, about)
    say(admin, made, command, f"{about}#{admin.user}")


def test_who_approves_a_run_or_overrides_bad_data_is_who_says_so(
    editor: Kube, admin: Kube, developer: Kube, namespace: str
) -> None:
    made = developer.create(retrain_policy(namespace))
    with pytest.raises(Refused, match=r"right to approve \(verb update, resource retrainpolicies/approval\)"):
        say(editor, made, "approve", f"0a1b2c3d#{editor.user}")
    for who, command in ((admin, "approve"), (editor, "override")):
        for value in ("0a1b2c3d why", "0a1b2c3d why#head-of-risk", "0a1b2c3d why#2"):
            wanted = f"you are {who.user}: write viridian.dev/{command}=0a1b2c3d why#{who.user}"
            with pytest.raises(Refused, match=wanted):
                say(who, made, command, value)
        say(who, made, command, f"0a1b2c3d why#{who.user}")
    editor.merge(made, {"metadata": {"annotations": {"viridian.dev/approve": None, "viridian.dev/override": ""}}})


def test_an_approval_at_birth_is_an_approval(editor: Kube, namespace: str) -> None:
    born = model_deployment(namespace)
    born["metadata"]["annotations"] = {"viridian.dev/approve": f"deadbeef#{editor.user}"}
    assert "right to approve" in refusal(editor, born)


def test_the_role_for_approving_is_enough(user: Callable[..., Kube], editor: Kube, namespace: str) -> None:
    made, approver = editor.create(model_deployment(namespace)), user("risk", "viridian-approve")
    say(approver, made, "approve", f"deadbeef#{approver.user}")


@pytest.mark.parametrize("command", ["reject", "rollback", "retry", "restart", "reviewed", "run", "accept"])
def test_no_command_carries_another_name(editor: Kube, developer: Kube, namespace: str, command: str) -> None:
    of_a_policy = command in ("run", "accept")
    made = developer.create(retrain_policy(namespace) if of_a_policy else model_deployment(namespace))
    for value in ("deadbeef", "deadbeef#2", "deadbeef#2026-11-28T10:00:00Z", f"deadbeef#{editor.user}"):
        say(editor, made, command, value)
    with pytest.raises(Refused, match=f"you are {editor.user}: write viridian.dev/{command}=deadbeef#{editor.user}"):
        say(editor, made, command, "deadbeef#head-of-risk")


def test_a_review_has_a_date_an_answer_a_note_and_its_author(editor: Kube, namespace: str) -> None:
    made = editor.create(model_deployment(namespace, review={"every": "90d"}))
    for value in (
        "deadbeef",
        f"2026-11-28#{editor.user}",
        f"2026-11-28 fits: #{editor.user}",
        f"2026-11-28 perhaps: all of it#{editor.user}",
        "2026-11-28 fits: all of it",
        "2026-11-28 fits: all of it#2",
        "2026-11-28 fits: all of it#head-of-risk",
    ):
        with pytest.raises(Refused, match=f"fits: <what was looked at>#{editor.user}"):
            say(editor, made, "review", value)
    say(editor, made, "review", f"2026-11-28 fits: all of it#{editor.user}")
    say(editor, made, "review", f"2026-11-29 changed: a stricter threshold#{editor.user}")


def test_a_note_names_an_incident_a_cause_and_its_author(editor: Kube, namespace: str) -> None:
    made = editor.create(model_deployment(namespace))
    for value in (
        "a holiday",
        "0a1b2c3d",
        f"0a1b2c3d#{editor.user}",
        f"0a1b2c3d  #{editor.user}",
        f"inputs a holiday#{editor.user}",
        "0a1b2c3d a holiday",
        "0a1b2c3d a holiday#2",
        "0a1b2c3d a holiday#head-of-risk",
    ):
        with pytest.raises(Refused, match=f"viridian.dev/note=<id> <what caused it>#{editor.user}"):
            say(editor, made, "note", value)
    say(editor, made, "note", f"0a1b2c3d a holiday#{editor.user}")
    editor.merge(made, {"spec": {"rollout": {"paused": True}}})
    say(editor, made, "note", f"4e5f6a7b a competitor: two shops#{editor.user}")


# ---- what the operator records


def recorded(namespace: str, kind: str, **metadata: Any) -> Object:
    version = {"Service": "v1", "Deployment": "apps/v1", "ControllerRevision": "apps/v1"}[kind]
    labels = {"app": "churn"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "server", "image": "x"}]}}
    content: dict[str, Object] = {
        "Service": {"spec": {"selector": labels, "ports": [{"port": 80}]}},
        "Deployment": {"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}},
        "ControllerRevision": {"revision": 1, "data": {}},
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "churn", "namespace": namespace, **metadata},
        **content[kind],
    }


@pytest.mark.parametrize("kind", ["Service", "Deployment", "ControllerRevision"])
def test_nobody_writes_what_the_operator_believes(shipped: Kube, admin: Kube, namespace: str, kind: str) -> None:
    made = shipped.create(
        recorded(namespace, kind, annotations={"viridian.dev/traffic": "{}"}, labels={MODEL_DEPLOYMENT_LABEL: "churn"})
    )
    if kind == "ControllerRevision":
        return  # no role for people writes these
    admin.merge(made, {"metadata": {"annotations": {"team": "a"}}})
    for change in (
        {"annotations": {"viridian.dev/traffic": "forged"}},
        {"annotations": {"viridian.dev/traffic": None}},
        {"annotations": {"viridian.dev/reverted": "forged"}},
        {"labels": {MODEL_DEPLOYMENT_LABEL: "another"}},
    ):
        with pytest.raises(Refused, match="what the operator remembers"):
            admin.merge(made, {"metadata": change})
    shipped.delete(made)
    forged = recorded(namespace, kind, labels={MODEL_DEPLOYMENT_LABEL: "churn"})
    assert "what the operator remembers" in refusal(admin, forged)


# ---- the operator's own user


@pytest.fixture
def operator(shipped: Kube) -> Kube:
    """With every right there is, so that only the policy stands in the way."""
    return shipped.impersonating(OPERATOR, "system:masters")


def owned(namespace: str, kind: str = "Deployment", **owner: Any) -> Object:
    reference = {**owner_reference(MODEL_DEPLOYMENT, "churn", "0"), **owner}
    return recorded(namespace, kind, ownerReferences=[reference])


def test_the_operator_makes_what_its_kinds_control(operator: Kube, namespace: str) -> None:
    for kind in ("Service", "Deployment", "ControllerRevision"):
        assert refusal(operator, owned(namespace, kind)) == ""


def test_the_operator_makes_nothing_else(operator: Kube, namespace: str) -> None:
    labelled = {"labels": {MODEL_DEPLOYMENT_LABEL: "churn"}}
    strangers: Iterator[Object] = iter(
        [
            recorded(namespace, "Deployment"),
            recorded(namespace, "Deployment", **labelled),
            owned(namespace, controller=False),
            owned(namespace, apiVersion="apps/v1", kind="Deployment"),
            owned(namespace, apiVersion="viridian.dev.example.com/v1"),
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "viridian-orders", "namespace": namespace}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "own"}},
            model_deployment(namespace),
        ]
    )
    for stranger in strangers:
        assert "no such object controls this one" in refusal(operator, stranger), stranger


@pytest.mark.parametrize("place", ["kube-system", "kube-public", "viridian-system"])
def test_the_operator_makes_nothing_in_system_namespaces(operator: Kube, place: str) -> None:
    assert f"makes nothing in {place}" in refusal(operator, owned(place)).replace(" for all namespaces", "").replace(
        "its own, ", ""
    )


def test_the_operator_for_one_namespace_lives_there(shipped: Kube, namespace: str) -> None:
    bound(shipped, namespace, "viridian-operator", "edit")
    operator = shipped.impersonating(f"system:serviceaccount:{namespace}:viridian-operator")
    eventually(lambda: refusal(operator, owned(namespace)) == "", what="its rights")
    assert "no such object controls this one" in refusal(operator, recorded(namespace, "Deployment"))


def test_the_operator_changes_and_deletes_only_what_is_left_behind(
    operator: Kube, shipped: Kube, namespace: str
) -> None:
    stranger = shipped.create(recorded(namespace, "Deployment"))
    for attempt in (
        lambda: operator.merge(stranger, {"metadata": {"labels": {"a": "b"}}}),
        lambda: operator.merge(stranger, {"metadata": owned(namespace)["metadata"]}),
        lambda: operator.delete(stranger),
    ):
        with pytest.raises(Refused, match="no such object controls this one"):
            attempt()
    shipped.merge(stranger, {"metadata": {"labels": {MODEL_DEPLOYMENT_LABEL: "churn"}}})
    operator.merge(stranger, {"metadata": {"labels": {"a": "b"}}})
    operator.merge(stranger, {"metadata": {"ownerReferences": owned(namespace)["metadata"]["ownerReferences"]}})
    operator.delete(stranger)


def test_the_operator_keeps_a_journal_that_belongs_to_nobody_for_a_while(
    operator: Kube, shipped: Kube, namespace: str
) -> None:
    churn = shipped.create(
        model_deployment(namespace)
    )  # the garbage collector takes what has an owner that is not there
    journal = owned(namespace, "ControllerRevision", uid=churn["metadata"]["uid"])
    owners = journal["metadata"]["ownerReferences"]
    journal["metadata"]["labels"] = {MODEL_DEPLOYMENT_LABEL: "churn"}
    made = operator.create(journal)
    operator.merge(made, {"metadata": {"ownerReferences": None, "annotations": {"viridian.dev/trail": "{}"}}})
    assert "ownerReferences" not in operator.read(made)["metadata"]
    operator.merge(made, {"metadata": {"ownerReferences": owners}})
    operator.merge(made, {"metadata": {"ownerReferences": None}})
    operator.delete(made)


def test_the_operator_tells_of_its_kinds_alone(operator: Kube, shipped: Kube, namespace: str) -> None:
    made = shipped.create(model_deployment(namespace))
    operator.merge(made, {"status": {"observedGeneration": 1}}, subresource="status")
    with pytest.raises(Refused, match="no such object controls this one"):
        operator.merge(made, {"spec": {"rollout": {"paused": True}}})
    with pytest.raises(Refused, match="no such object controls this one"):
        operator.delete(made)
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": namespace},
        "eventTime": "2026-11-28T10:00:00.000000Z",
        "type": "Normal",
        "reason": "X",
        "action": "X",
        "reportingController": "viridian.dev/operator",
        "reportingInstance": "x",
    }
    about = {"kind": MODEL_DEPLOYMENT, "name": "churn", "namespace": namespace}
    assert refusal(operator, {**event, "regarding": {**about, "apiVersion": API_VERSION}}) == ""
    assert "no such object" in refusal(operator, {**event, "regarding": {**about, "apiVersion": "v1", "kind": "Pod"}})


def test_the_operator_has_its_lease_and_its_secret(operator: Kube, namespace: str) -> None:
    def own(version: str, kind: str, name: str, place: str) -> Object:
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": place}}

    for version, kind, name in (("coordination.k8s.io/v1", "Lease", "any"), ("v1", "Secret", "viridian-orders")):
        # An operator may have made its Secret already.
        assert "denied request" not in refusal(operator, own(version, kind, name, "viridian-system"))
        assert "no such object" in refusal(operator, own(version, kind, name, namespace))
    assert "no such object" in refusal(operator, own("v1", "Secret", "another", "viridian-system"))


# ---- the policies themselves


def test_every_policy_is_well_typed(shipped: Kube) -> None:
    def checked() -> list[Object] | None:
        found = shipped.list("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy")
        ours = [policy for policy in found if policy["metadata"]["name"].startswith("viridian-")]
        done = all("typeChecking" in policy.get("status", {}) for policy in ours)
        return ours if ours and done else None

    for policy in eventually(checked, what="the type check"):
        assert policy["status"]["typeChecking"] == {}, policy["metadata"]["name"]
