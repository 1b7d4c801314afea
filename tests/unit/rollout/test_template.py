"""The user's fragment on Viridian's own pod template, merged as people know it from strategic merge."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.support.snapshots import NOW, SETTINGS, model, snapshot
from tests.support.web_server import QuietHandler, web_server
from viridian.api.address import secret_address
from viridian.api.model_source import ModelSignature
from viridian.api.modeldeployment import Server
from viridian.core.pod_platform import PodPlatform
from viridian.core.strategic_merge import InvalidTemplate
from viridian.rollout.input import OperatorSettings
from viridian.rollout.records import ServedModel
from viridian.rollout.render.pod_template import pod_template
from viridian.rollout.state import read

Object = dict[str, Any]


def rendered(template: Object | None = None, **server: Any) -> Object:
    return pod_template("churn", model("1"), msgspec.convert({"template": template or {}, **server}, Server), SETTINGS)


def container(template: Object, name: str = "server") -> Object:
    kinds = ("containers", "initContainers")
    return next(c for kind in kinds for c in template["spec"][kind] if c["name"] == name)


@contextmanager
def ready_after(requests: int) -> Iterator[tuple[int, list[str]]]:
    """A server that is ready when it is asked for the so-manieth time: its port, and what it was asked."""
    asked: list[str] = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) >= requests else 503)
            self.end_headers()

    with web_server(Handler) as address:
        yield int(address.rpartition(":")[2]), asked


def fragment(**server: Any) -> Object:
    return {"spec": {"containers": [{"name": "server", **server}]}}


class TestFragments:
    def test_resources_of_the_server(self) -> None:
        made = container(rendered(fragment(resources={"limits": {"memory": "1Gi"}})))
        assert made["resources"] == {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
        assert made["image"] == SETTINGS.server_image

    def test_memory_and_disk_are_bounded_by_default(self) -> None:
        made = rendered({})
        assert container(made)["resources"]["limits"] == {"memory": "4Gi"}
        assert container(made, "fetch")["resources"]["limits"] == {"memory": "512Mi"}
        assert [volume["emptyDir"]["sizeLimit"] for volume in made["spec"]["volumes"]] == ["21Gi", "1Gi"]

    def test_a_model_in_an_image_is_mounted_where_others_are_fetched_to(self) -> None:
        served = ServedModel(uri="oci://r.example.com/models/churn:7", digest="sha256:0a")
        made = pod_template("churn", served, msgspec.convert({}, Server), SETTINGS)
        assert made["spec"]["volumes"][0] == {"name": "model", "image": {"reference": "r.example.com/models/churn:7"}}
        assert {"name": "VIRIDIAN_MODEL_URI", "value": served.uri} in container(made, "fetch")["env"]
        for name in ("fetch", "server"):
            assert container(made, name)["volumeMounts"][0]["mountPath"] == "/model"

    def test_an_address_in_a_secret_is_no_image_that_the_kubelet_could_mount(self) -> None:
        served = ServedModel(uri=secret_address("churn-model", "uri"), digest="sha256:0a")
        made = pod_template("churn", served, msgspec.convert({}, Server), SETTINGS)
        assert "emptyDir" in made["spec"]["volumes"][0]

    @pytest.mark.parametrize(
        ("resources", "limits"),
        [
            ({"limits": {"memory": "64Gi"}}, {"memory": "64Gi"}),
            ({"requests": {"memory": "8Gi"}}, None),
            ({"limits": {"cpu": "1"}}, {"memory": "4Gi", "cpu": "1"}),
            ({"requests": {"cpu": "1"}}, {"memory": "4Gi"}),
            ({"limits": None}, None),
            ({"limits": {"memory": None}}, {}),
            ("a text", None),
            ({"requests": 1}, {"memory": "4Gi"}),
        ],
    )
    def test_who_writes_how_much_memory_a_server_needs_is_believed(self, resources: Any, limits: Any) -> None:
        made = container(rendered(fragment(resources=resources)))["resources"]
        assert (made.get("limits") if isinstance(made, dict) else None) == limits

    def test_a_runtime_of_the_users_own_has_no_limit_of_ours(self) -> None:
        made = rendered(fragment(image="mine"), runtime="Custom")
        assert "limits" not in container(made)["resources"]
        assert container(made, "fetch")["resources"]["limits"] == {"memory": "512Mi"}

    def test_a_sidecar_stands_beside_the_server(self) -> None:
        made = rendered({"spec": {"containers": [{"name": "proxy", "image": "envoy"}]}})
        assert [c["name"] for c in made["spec"]["containers"]] == ["server", "proxy"]

    def test_the_fetch_step_can_be_given_credentials(self) -> None:
        source = [{"secretRef": {"name": "s3"}}]
        made = rendered({"spec": {"initContainers": [{"name": "fetch", "envFrom": source}]}})
        assert container(made, "fetch")["envFrom"] == source
        assert container(made, "fetch")["command"] == ["viridian-fetch"]

    @pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
    def test_another_way_to_look_takes_the_place_of_viridians(self, probe: str) -> None:
        """Two in one probe are refused by the API server."""
        mine = {"grpc": {"port": 9000}, "failureThreshold": 9}
        made = container(rendered(fragment(**{probe: mine})))[probe]
        assert {"grpc", "exec", "httpGet", "tcpSocket"} & set(made) == {"grpc"}
        assert made["failureThreshold"] == 9

    @pytest.mark.needs_processes
    def test_the_startup_probe_waits_until_the_server_is_ready(self) -> None:
        """A probe that fails is told as a Warning, and every start would begin with some."""
        with ready_after(requests=3) as (port, asked):
            probe = container(rendered(port=port))["startupProbe"]
            program, *arguments = probe["exec"]["command"]
            assert program == "python3"
            done = subprocess.run([sys.executable, *arguments], check=False, timeout=60)
        assert done.returncode == 0
        assert asked == ["/v2/health/ready"] * 3

    def test_a_probe_can_be_removed(self) -> None:
        assert "startupProbe" not in container(rendered(fragment(startupProbe=None)))

    def test_what_is_viridians_own_can_be_taken_away_and_replaced(self) -> None:
        made = rendered(
            {
                "spec": {
                    "securityContext": {"$patch": "replace", "runAsUser": 1000},
                    "volumes": [{"name": "tmp", "$patch": "replace", "hostPath": {"path": "/fast"}}],
                    "initContainers": [{"name": "fetch", "$patch": "delete"}],
                    "containers": [{"name": "server", "startupProbe": {"$patch": "delete"}}],
                }
            }
        )
        assert made["spec"]["securityContext"] == {"runAsUser": 1000}
        assert {"name": "tmp", "hostPath": {"path": "/fast"}} in made["spec"]["volumes"]
        assert made["spec"]["initContainers"] == []
        assert "startupProbe" not in container(made)

    def test_annotations_and_labels_are_added(self) -> None:
        made = rendered({"metadata": {"annotations": {"team": "a"}, "labels": {"cost": "b"}}})["metadata"]
        assert made["annotations"]["team"] == "a"
        assert made["labels"]["cost"] == "b"
        assert made["labels"]["app.kubernetes.io/instance"] == "churn"

    @pytest.mark.parametrize("runtime", ["Builtin", "Custom"])
    def test_a_server_is_told_whose_it_is(self, runtime: str) -> None:
        """Its metrics have to say so. Slot and revision come with the Deployment, which the template does not know."""
        env = {e["name"]: e for e in container(rendered(fragment(image="mine"), runtime=runtime))["env"]}
        assert env["VIRIDIAN_DEPLOYMENT"]["value"] == "churn"
        for name, path in (("VIRIDIAN_NAMESPACE", "metadata.namespace"), ("VIRIDIAN_POD", "metadata.name")):
            assert env[name]["valueFrom"] == {"fieldRef": {"fieldPath": path}}

    def test_a_server_of_the_users_own(self) -> None:
        made = container(rendered(fragment(image="mine"), runtime="Custom"))
        assert made["image"] == "mine"
        assert "readinessProbe" not in made

    @pytest.mark.parametrize(
        ("reference", "secret", "required"),
        [
            ({"publicKeySecretRef": {"name": "keys"}}, {"secretName": "keys", "optional": True}, "true"),
            (
                {"publicKeySecretRef": {"name": "keys", "key": "a.pem"}, "required": False},
                {"secretName": "keys", "optional": True, "items": [{"key": "a.pem", "path": "a.pem"}]},
                "false",
            ),
        ],
    )
    def test_the_keys_of_those_who_may_sign(self, reference: Object, secret: Object, required: str) -> None:
        signature = msgspec.convert(reference, ModelSignature)
        made = pod_template("churn", replace(model("1"), run="r1"), Server(), SETTINGS, signature)
        assert {"name": "trusted-keys", "secret": secret} in made["spec"]["volumes"]
        for name in ("fetch", "server"):
            env = {variable["name"]: variable.get("value") for variable in container(made, name)["env"]}
            mounts = {mount["mountPath"]: mount for mount in container(made, name)["volumeMounts"]}
            assert env["VIRIDIAN_SIGNATURE_REQUIRED"] == required
            assert (env["VIRIDIAN_SIGNED_MODEL"], env["VIRIDIAN_SIGNED_RUN"]) == ("churn", "r1")
            assert mounts[env["VIRIDIAN_TRUSTED_KEYS"]] == {
                "name": "trusted-keys",
                "mountPath": "/viridian/trusted-keys",
                "readOnly": True,
            }

    def test_a_server_of_the_users_own_is_given_no_keys(self) -> None:
        """Its init step is Viridian's, and checks."""
        signature = msgspec.convert({"publicKeySecretRef": {"name": "keys"}}, ModelSignature)
        server = msgspec.convert({"template": fragment(image="mine"), "runtime": "Custom"}, Server)
        made = pod_template("churn", model("1"), server, SETTINGS, signature)
        variables = {name: [v["name"] for v in container(made, name)["env"]] for name in ("fetch", "server")}
        assert "VIRIDIAN_TRUSTED_KEYS" in variables["fetch"]
        assert "VIRIDIAN_TRUSTED_KEYS" not in variables["server"]

    @pytest.mark.parametrize(
        ("template", "server", "words"),
        [
            ({"containers": []}, {}, "put containers and the like under server.template.spec"),
            ({"spec": []}, {}, "server.template.spec must be a map"),
            ({"metadata": "x"}, {}, "server.template.metadata must be a map"),
            ({"metadata": {"labels": {"viridian.dev/slot": "blue"}}}, {}, "labels of viridian.dev are Viridian's own"),
            ({"spec": {"containers": {}}}, {}, "server.template.spec.containers must be a list"),
            ({"spec": {"containers": None}}, {}, "server.template.spec.containers must be a list"),
            ({"spec": {"containers": [{"image": "x"}]}}, {}, "needs a `name`"),
            ({"spec": {"containers": ["server"]}}, {}, "needs a `name`"),
            ({"spec": {"containers": [{"name": []}]}}, {}, "needs a `name`"),
            ({"spec": {"tolerations": [{"key": "a", "$patch": "delete"}]}}, {}, "this list is replaced as a whole"),
            ({"spec": {"volumes": [{"$patch": "delete"}]}}, {}, "needs a `name`"),
            ({"spec": {"volumes": [{"name": "tmp", "$patch": "remove"}]}}, {}, "write .patch: delete or"),
            ({"spec": {"$setElementOrder/volumes": []}}, {}, "says .setElementOrder/volumes; write .patch: delete"),
            (
                {"spec": {"containers": [{"name": "server", "$patch": "delete"}]}},
                {},
                "takes the container `server` away",
            ),
            (fragment(image=None), {}, "takes the container `server` away, or its image"),
            ({"spec": {"$patch": "delete"}}, {}, "takes the container `server` away"),
            ({"spec": {"$patch": "replace", "containers": ["x"]}}, {"runtime": "Custom"}, "runtime Custom needs"),
            ({}, {"runtime": "Custom"}, "runtime Custom needs the container that serves"),
        ],
    )
    def test_what_cannot_be_merged_says_what_to_write(self, template: Object, server: Object, words: str) -> None:
        with pytest.raises(InvalidTemplate, match=words.replace("(", r"\(")):
            rendered(template, **server)


class TestPullSecrets:
    """The operator's go into every pod that it makes; what the user names comes on top, or in their place."""

    def pulled_with(self, template: Object | None = None) -> list[str]:
        server = msgspec.convert({"template": template or {}}, Server)
        made = pod_template("churn", model("1"), server, replace(SETTINGS, image_pull_secrets=("ours",)))
        return [secret["name"] for secret in made["spec"]["imagePullSecrets"]]

    def test_the_operator_s(self) -> None:
        assert self.pulled_with() == ["ours"]
        assert "imagePullSecrets" not in rendered()["spec"]

    def test_the_user_s(self) -> None:
        assert self.pulled_with({"spec": {"imagePullSecrets": [{"name": "mine"}]}}) == ["ours", "mine"]
        assert self.pulled_with({"spec": {"imagePullSecrets": [{"$patch": "replace"}, {"name": "mine"}]}}) == ["mine"]

    def test_another_one_makes_no_other_revision(self) -> None:
        """Nor does any other setting of the operator: an operator that is told something else restarts nobody."""
        shown = snapshot()
        assert shown.spec is not None
        told = OperatorSettings(
            "other:2", mlflow_uri="http://b", collector_url="http://c", image_pull_secrets=("ours",)
        )
        before, after = (read(one, shown.spec, NOW).desired for one in (shown, replace(shown, settings=told)))
        assert before is not None
        assert after is not None
        assert before.revision == after.revision
        assert before.template != after.template


class TestPlatform:
    """User ids, proxies and authorities come from the operator's settings, for each pod that it makes."""

    def made(self, platform: PodPlatform, server: Server | None = None) -> Object:
        return pod_template("churn", model("1"), server or Server(), replace(SETTINGS, platform=platform))

    def test_ids_that_the_platform_assigns(self) -> None:
        assert self.made(PodPlatform(user=None))["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert self.made(PodPlatform(user=1000))["spec"]["securityContext"]["fsGroup"] == 1000

    def test_what_fetches_goes_through_the_proxy_and_what_serves_does_not(self) -> None:
        made = self.made(PodPlatform(proxies=(("HTTPS_PROXY", "http://p:3128"),)))
        proxy = {"name": "HTTPS_PROXY", "value": "http://p:3128"}
        assert proxy in container(made, "fetch")["env"]
        assert proxy not in container(made, "server")["env"]

    def test_private_authorities_are_trusted_by_what_is_ours(self) -> None:
        made = self.made(PodPlatform(authorities=("corporate", "ca.pem")))
        (volume,) = [one for one in made["spec"]["volumes"] if "configMap" in one]
        assert volume["configMap"]["name"] == "corporate"
        for name in ("fetch", "server"):
            found = {one["name"]: one.get("value") for one in container(made, name)["env"]}
            assert found["SSL_CERT_FILE"] == "/etc/viridian/authorities/ca.pem"
            assert volume["name"] in [mount["name"] for mount in container(made, name)["volumeMounts"]]
        own = {"spec": {"containers": [{"name": "server", "image": "mine"}]}}
        custom = self.made(
            PodPlatform(authorities=("corporate", "ca.pem")),
            msgspec.convert({"runtime": "Custom", "template": own}, Server),
        )
        assert "SSL_CERT_FILE" not in {one["name"] for one in container(custom, "server")["env"]}


def test_what_a_spec_says_reaches_no_other_variable_of_the_pod() -> None:
    """The kubelet would put the password of an `envFrom` into the address, and the init step would ask for it there."""
    planted = replace(model("1"), uri="https://evil/$(PASSWORD)/m.tar.gz", name="$(PASSWORD)")
    made = pod_template("churn", planted, Server(), SETTINGS)
    values = [variable.get("value", "") for name in ("server", "fetch") for variable in container(made, name)["env"]]
    assert "https://evil/$$(PASSWORD)/m.tar.gz" in values
    assert not [value for value in values if "$(" in value.replace("$$", "")]


@pytest.mark.parametrize(("asked", "mounted"), [({}, False), ({"automountServiceAccountToken": True}, True)])
def test_a_token_is_mounted_only_where_the_template_asks_for_it(asked: Object, mounted: bool) -> None:
    made = rendered({"spec": {"serviceAccountName": "powerful", **asked}})
    assert made["spec"]["automountServiceAccountToken"] is mounted


def test_pods_prefer_other_zones_and_nodes_and_one_node_is_enough() -> None:
    spec = rendered()["spec"]
    [constraint] = spec["topologySpreadConstraints"]
    assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["matchLabelKeys"] == ["viridian.dev/slot", "viridian.dev/revision"]
    assert set(spec["affinity"]["podAntiAffinity"]) == {"preferredDuringSchedulingIgnoredDuringExecution"}


def test_a_user_says_where_pods_go() -> None:
    strict = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    node: Object = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
    added = rendered({"spec": {"topologySpreadConstraints": [strict], "affinity": {"nodeAffinity": node}}})["spec"]
    assert [one["topologyKey"] for one in added["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    assert set(added["affinity"]) == {"podAntiAffinity", "nodeAffinity"}
    own = rendered({"spec": {"topologySpreadConstraints": [{"$patch": "replace"}, strict], "affinity": None}})["spec"]
    assert own["topologySpreadConstraints"] == [strict]
    assert "affinity" not in own
