"""What every traffic provider promises. A new one joins `PROVIDERS`, and is held to all of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import ago_time, snapshot
from tests.unit.rollout.cases import BLUE, FIRST_STEP, GREEN, ONE_STEADY, TWO_STEADY, V2, on_trial
from viridian.api import reasons
from viridian.api.names import Slot
from viridian.api.traffic_spec import GatewayRoute, ParentRef, RequestHeader
from viridian.rollout.traffic.gateway import GatewayTraffic, frame_of, split_backends
from viridian.rollout.traffic.joined import JoinedTraffic
from viridian.rollout.traffic.joined_rule import JOINED, JoinedRule
from viridian.rollout.traffic.provider import LiveObjects, TrafficProvider
from viridian.rollout.traffic.record import Reverted, Traffic
from viridian.rollout.traffic.service import SERVICE

ROUTE = GatewayRoute(
    parent_refs=(ParentRef(name="public"),), testers=RequestHeader(header="x-canary", value="always"), timeout="30s"
)
PROVIDERS = [
    pytest.param(SERVICE, id="Service"),
    pytest.param(GatewayTraffic(frame_of(ROUTE)), id="Gateway"),
    pytest.param(JoinedTraffic(JoinedRule("shop", "predict")), id="a rule of a user's route"),
]
LOST = Reverted(V2, reasons.REJECTED, reasons.METRIC_BREACH, "bad", ago_time(3), ago_time(4))
RECORDS = [
    ONE_STEADY,
    TWO_STEADY,
    on_trial(FIRST_STEP),
    on_trial(replace(FIRST_STEP, weight=100)),
    replace(ONE_STEADY, reverted=LOST, unrecorded=(replace(LOST, revision="0badcafe"),)),
]


def live(provider: TrafficProvider, traffic: Traffic) -> LiveObjects:
    """The provider's objects as the API server would give them back, and the user's route where it joins one."""
    made = json.loads(json.dumps(list(provider.objects(snapshot(), 8080, traffic))))
    found = {(one["kind"], one["metadata"]["name"]): one for one in made}
    if isinstance(provider, JoinedTraffic):
        rule = {"name": "predict", "backendRefs": split_backends("churn", 8080, traffic)}
        found[JOINED, "shop"] = {"metadata": {"name": "shop"}, "spec": {"rules": [rule]}}
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
class TestEveryProvider:
    @pytest.mark.parametrize("traffic", RECORDS)
    def test_the_decisive_object_alone_carries_the_whole_record(
        self, provider: TrafficProvider, traffic: Traffic
    ) -> None:
        target = provider.target("churn")
        first = provider.objects(snapshot(), 8080, traffic)[0]
        assert (first["kind"], first["metadata"]["name"]) == target
        assert provider.read("churn", {target: live(provider, traffic)[target]}) == traffic

    @pytest.mark.parametrize("traffic", RECORDS)
    def test_all_objects_are_owned_and_labelled(self, provider: TrafficProvider, traffic: Traffic) -> None:
        for made in provider.objects(snapshot(), 8080, traffic):
            assert made["metadata"]["ownerReferences"][0]["uid"] == snapshot().uid
            assert made["metadata"]["labels"]["viridian.dev/model-deployment"] == "churn"

    @pytest.mark.parametrize("traffic", RECORDS)
    def test_a_split_that_takes_one_slot_is_read_without_the_record(
        self, provider: TrafficProvider, traffic: Traffic
    ) -> None:
        bare = {
            target: {**one, "metadata": {**one["metadata"], "annotations": {}}}
            for target, one in live(provider, traffic).items()
        }
        assert provider.read("churn", bare) is None
        if len(traffic.receiving) == 1:
            assert provider.receiving("churn", bare) == traffic.receiving

    def test_the_port_is_read_back(self, provider: TrafficProvider) -> None:
        assert provider.port("churn", live(provider, ONE_STEADY)) == 8080

    def test_where_nothing_is_there_nothing_is_known(self, provider: TrafficProvider) -> None:
        assert provider.read("churn", {}) is None
        assert provider.receiving("churn", {}) == frozenset()
        assert provider.port("churn", {}) is None

    def test_a_damaged_object_is_no_crash(self, provider: TrafficProvider) -> None:
        for broken in ({}, {"metadata": {"annotations": None}, "spec": {"selector": None, "ports": None}}):
            there: LiveObjects = {provider.target("churn"): broken}
            assert provider.read("churn", there) is None
            assert provider.receiving("churn", there) == frozenset()
            assert provider.port("churn", there) is None

    @given(weight=st.integers(0, 100), replicas=st.integers(0, 20), surge=st.integers(0, 10))
    def test_a_champion_is_never_made_smaller_for_a_challenger(
        self, provider: TrafficProvider, weight: int, replicas: int, surge: int
    ) -> None:
        pods = provider.replicas(weight, replicas, surge)
        assert pods.champion >= max(1, replicas)
        assert pods.challenger >= 1
        if weight == 100:
            assert pods.challenger >= replicas

    @given(weight=st.integers(0, 100), blue=st.integers(0, 20), green=st.integers(0, 20))
    def test_the_share_that_is_shown_is_a_share(
        self, provider: TrafficProvider, weight: int, blue: int, green: int
    ) -> None:
        traffic, ready = on_trial(replace(FIRST_STEP, weight=weight)), {BLUE: blue, GREEN: green}
        share = provider.weight(traffic, ready)
        assert 0 <= share <= 100
        if weight in (0, 100):
            assert share == weight
        elif provider.follows_ready_pods and green == 0:
            assert share == 0

    def test_what_is_not_there_is_in_effect_only_where_the_write_is_enough(self, provider: TrafficProvider) -> None:
        assert (provider.unsettled("churn", {}) is not None) is provider.confirms

    def test_without_a_trial_the_challenger_has_no_share(self, provider: TrafficProvider) -> None:
        assert provider.weight(ONE_STEADY, dict.fromkeys(Slot, 3)) == 0
