"""The split by Envoy Gateway: exact weights, a revert that nobody else notices, testers, users who stay."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from demo import stage
from demo.customers import post
from demo.kubectl import Kubectl
from localcluster import clusters, envoy_gateway
from tests.cluster.conftest import Operator
from tests.support.kube import Kube, Object, eventually
from tests.support.node.deployment import Deployed, seconds_of
from tests.support.node.gateway import HOSTNAME, Gateway, OwnRoute, Routed, assert_share, each, lines_with
from tests.support.node.registry import RAISES, ClusterRegistry
from tests.support.node.users import Users

RATE = 400
TESTERS = {"header": "x-canary", "value": "always"}
STEPS: list[Object] = [
    {"name": "tenth", "weight": 10, "duration": "5s", "minRequests": 1000},
    {"name": "third", "weight": 33, "duration": "5s", "minRequests": 500},
]
ENVOY = envoy_gateway.NAMESPACE


@pytest.fixture(scope="module")
def gateway(cluster: Kubectl, operator: Operator, kube: Kube, namespace: str) -> Iterator[Gateway]:
    """Envoy Gateway, a Gateway of the module's own, and the operator as the component gateway-api installs it."""
    chosen = clusters.choose(os.environ.get(clusters.KUBECONFIG_VARIABLE))
    envoy_gateway.install(chosen)
    stage.install_operator(cluster, "install-gateway")
    yield Gateway.open(kube, namespace)
    stage.install_operator(cluster)


@pytest.fixture(scope="module")
def routed(gateway: Gateway, kube: Kube, registry: ClusterRegistry, namespace: str) -> Routed:
    """A sound first version that serves through the gateway."""
    deployment = Routed(kube, namespace, gateway={"testers": TESTERS})
    version = registry.publish(deployment.registered)
    deployment.apply()
    deployment.until_serves(version)
    deployment.until_condition("Ready", "True")
    return deployment


@pytest.fixture(scope="module")
def callers(routed: Routed, gateway: Gateway, kubectl: Kubectl) -> Users:
    """Steady users of the gateway."""
    where = {"LOAD_URL": f"http://{gateway.address}/invocations", "LOAD_HOST": HOSTNAME}
    return Users.start(kubectl, "callers", rate=RATE, settings=where)


def test_the_share_is_what_the_status_says_at_every_sample(
    routed: Routed, callers: Users, registry: ClusterRegistry
) -> None:
    former = routed.champion["revision"]
    routed.apply(rollout={"steps": STEPS, "progressDeadline": "10m"})
    version = registry.publish(routed.registered)
    samples = routed.shares_until(version)
    told = callers.await_answers(2 * RATE)
    revision = routed.revision_of(version)
    assert told.failed == 0, told.answers
    assert {share for _, share in samples} == {0, 10, 33, 100}
    for weight in (0, 10, 33, 100):
        steady = lines_with(told, samples, weight)
        assert_share(steady, revision, weight, deviations=3)
        for line in each(steady):
            assert_share(line, revision, weight, deviations=5)
    assert lines_with(told, samples, 10).answers.total() >= 8_000
    # The gateway moves requests, not connections: nobody stays with the former champion.
    last = told.last_answer(former)
    assert last is not None
    promoted = seconds_of(routed.champion["since"])
    print(f"promotion to the last answer of the former champion: {last - promoted:.2f} s")
    assert last <= promoted + 10


def test_a_bad_version_is_reverted_and_nobody_else_fails(
    routed: Routed, callers: Users, registry: ClusterRegistry
) -> None:
    champion = routed.champion["revision"]
    routed.apply(rollout={"steps": [{"name": "long", "weight": 30, "duration": "10m"}]})
    before = callers.told()
    version = registry.publish(routed.registered, RAISES)
    rejected = routed.until_rejected(version)
    told = callers.await_answers(2 * RATE)
    revision, reverted = rejected["revision"], seconds_of(rejected["at"])
    last, first = told.last_answer(revision), told.first_failure(revision)
    assert rejected["reason"] == "MetricBreach"
    assert last is not None
    assert first is not None
    print(f"first 5xx to last answer: {last - first:.2f} s; revert to last answer: {last - reverted:.2f} s")
    assert last <= reverted + 10
    assert set(told.between(last + 0.5, told.lines[-1]["at"]).answers) == {champion}
    assert set(told.failures - before.failures) == {revision}, [line for line in told.lines if "none" in line["seen"]]


@pytest.mark.parametrize(("mode", "number"), [("Mirrored", 1), ("Live", 2)])
def test_a_drill_under_load_costs_no_request_and_its_seconds_are_in_the_status(
    routed: Routed, callers: Users, registry: ClusterRegistry, mode: str, number: int
) -> None:
    if "fallback" not in routed.status:
        routed.until_serves(registry.publish(routed.registered))
    champion = routed.champion["revision"]
    routed.apply(drill={"cron": "0 4 1 1 *", "mode": mode, "duration": "10s"})
    routed.until(routed.is_at_rest, "rest")
    failed = callers.told().failed
    routed.annotate("drill", f"{champion}#{number}")
    began, drill = (until_drill(routed, mode, shows) for shows in ("startedAt", "endedAt"))
    told = callers.await_answers(RATE)
    print(f"drill {mode}: {drill}")
    assert drill["outcome"] == "Passed", drill
    assert 0 < drill["seconds"] < 10
    assert drill["requests"] >= 5 * RATE
    assert drill["errors"] == 0
    assert told.failed == failed
    seen = set(told.between(seconds_of(began["startedAt"]) + 1, seconds_of(drill["endedAt"]) - 1).answers)
    assert seen == {drill["revision"] if mode == "Live" else champion}, "who answered the users"
    assert set(told.lines[-1]["seen"]) == {champion}


def test_testers_meet_the_challenger_before_anybody_else(
    routed: Routed, gateway: Gateway, registry: ClusterRegistry, cluster: Kubectl
) -> None:
    champion = routed.champion["revision"]
    routed.apply(rollout={"steps": [{"name": "sign-off", "approval": {}}]})
    version = registry.publish(routed.registered)
    status = routed.until(
        lambda found: (found.get("challenger") or {}).get("waitingReason") == "Approval", "the wait for an approval"
    )
    challenger = status["challenger"]["revision"]
    with gateway.forwarded(replace(cluster, namespace=ENVOY)) as url:
        assert answering(url, 100, {TESTERS["header"]: TESTERS["value"]}) == {challenger: 100}
        assert answering(url, 100, {TESTERS["header"]: "never"}) == {champion: 100}
        assert answering(url, 100, {}) == {champion: 100}
        routed.apply()
        routed.until_serves(version)
        assert answering(url, 100, {TESTERS["header"]: TESTERS["value"]}) == {challenger: 100}


def answering(url: str, count: int, headers: dict[str, str]) -> Counter[str]:
    """By which revisions so many requests were answered."""
    return Counter(asked(url, headers)["x-viridian-revision"] for _ in range(count))


def asked(url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of the answer."""
    table = stage.rows_of_users()
    body = {"dataframe_split": {"columns": table["columns"], "data": table["data"][:1]}}
    return post(f"{url}/invocations", body, headers)[0]


@dataclass
class Browser:
    """Keeps the cookie that it is given."""

    url: str
    cookie: str = ""

    def revision(self) -> str:
        answer = asked(self.url, {"Cookie": f"theme=dark; {self.cookie}"} if self.cookie else {})
        self.cookie = answer.get("Set-Cookie", self.cookie).partition(";")[0]
        return answer["x-viridian-revision"]


def test_users_with_a_cookie_stay_with_the_version_that_they_met(
    routed: Routed, gateway: Gateway, registry: ClusterRegistry, cluster: Kubectl
) -> None:
    sticky = replace(routed, gateway={"sticky": {"cookie": "churn-version"}})
    sticky.apply(rollout={"steps": [{"name": "few", "weight": 30, "duration": "10m"}]})
    version = registry.publish(sticky.registered)
    with gateway.forwarded(replace(cluster, namespace=ENVOY)) as url:
        challenger = until_weight(sticky, 30)
        browsers = [Browser(url) for _ in range(60)]
        versions = [one.revision() for one in browsers]
        assert 4 <= versions.count(challenger) <= 34, "five standard deviations of 60 users at 30 %"
        for _ in range(3):
            assert [one.revision() for one in browsers] == versions
        sticky.apply()
        sticky.until_serves(version)
        assert {one.revision() for one in browsers} == {challenger}
    routed.apply()
    routed.until(routed.is_at_rest, "rest")


def test_a_rule_of_a_users_own_route_is_joined_moved_and_given_back_without_a_failed_request(
    routed: Routed, gateway: Gateway, registry: ClusterRegistry, kubectl: Kubectl
) -> None:
    own = OwnRoute(gateway, "shop.example.com")
    own.apply(backend=routed.name)
    shop = Deployed(routed.kube, routed.namespace, "shop")
    version = registry.publish(shop.registered)
    shop.apply()
    shop.until_serves(version)
    where = {"LOAD_URL": f"http://{gateway.address}/invocations", "LOAD_HOST": own.hostname}
    callers = Users.start(kubectl, "shoppers", rate=RATE // 2, settings=where)
    others = own.rule("about")
    assert set(callers.told().answers) == {routed.champion["revision"]}, "the rule leads to another Service yet"

    own.agree(shop.name)
    shop.apply(traffic=own.joined)
    shop.until_condition("RouteJoined", "True")
    first = shop.champion["revision"]
    eventually(lambda: set(callers.told().lines[-1]["seen"]) == {first}, what="the move to the model that joined")
    shop.apply(traffic=own.joined, rollout={"steps": [{"name": "third", "weight": 33, "duration": "10m"}]})
    registry.publish(shop.registered)
    challenger = until_weight(shop, 33)
    callers.await_answers(RATE)
    began = callers.told().lines[-1]["at"]
    callers.await_answers(1_000)
    told = callers.told()
    assert_share(told.between(began, told.lines[-1]["at"]), challenger, 33, deviations=4)

    shop.apply(traffic=own.joined)
    shop.until(lambda status: (status.get("champion") or {}).get("revision") == challenger, "the promotion")
    shop.until(shop.is_at_rest, "rest")
    shop.apply()
    eventually(
        lambda: set(callers.told().lines[-1]["seen"]) == {routed.champion["revision"]}, what="the rule that is back"
    )
    assert own.rule("predict")["backendRefs"][0]["name"] == routed.name
    assert own.rule("about") == others
    assert callers.told().failed == 0, callers.told().failures
    callers.stop()


def until_drill(routed: Routed, mode: str, shows: str) -> Object:
    """What the status says of a drill of this mode, as soon as it has this field."""

    def shown(status: Object) -> bool:
        drill = status.get("drill") or {}
        return drill.get("mode") == mode and shows in drill

    return dict(routed.until(shown, f"{shows} of the drill {mode}")["drill"])


def until_weight(routed: Deployed, weight: int) -> str:
    """Waits until the step with this weight has begun; the revision of the challenger."""

    def lasts(status: Object) -> bool:
        challenger = status.get("challenger") or {}
        return challenger.get("weight") == weight and challenger.get("waitingReason") == "StepDuration"

    return str(routed.until(lasts, f"the step with {weight} %")["challenger"]["revision"])
