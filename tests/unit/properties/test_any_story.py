"""Stories that chance makes up: people, faults, restarts and time in any order.

Users are safe in each state (P5), no pass fails by a mistake of ours. When people and faults stop, the world follows
the last wish (P1, P6) and rests (P2).
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.churn import Churn, pinned
from tests.support.cluster.deployments import NEVER_READY, READY, slow
from tests.support.memory_cluster import Fault
from tests.support.memory_pods import BROKEN, HEALTHY, SILENT, SLOW, UNREACHABLE
from tests.support.operator_world import OperatorWorld
from tests.support.safety import violations
from viridian.api.names import MODEL_DEPLOYMENT
from viridian.rollout.traffic import service as traffic

ROLLOUTS: dict[str, dict[str, Any]] = {
    "two steps": {},
    "no steps": {"steps": []},
    "an approval": {"steps": [{"weight": 30, "duration": "3s"}, {"name": "sign-off", "approval": {}}]},
    "enough requests": {"steps": [{"weight": 50, "minRequests": 200}]},
    "all at once": {"steps": [{"weight": 100, "duration": "5s"}], "probation": "10s"},
    "no metrics": {"analysis": {"metrics": []}},
    "careful": {"analysis": {"onBreach": "Hold"}},
    "impatient": {"analysis": {"onNoData": "Rollback", "onProviderError": "Proceed", "maxHold": "10s"}},
    "paused": {"paused": True},
    "a rollback window": {"rollbackWindow": {"revisions": 2}, "probation": "3s"},
    "out of its window": {"window": {"cron": "0 0 1 7 *", "duration": "10m"}},
}
BEHAVIOURS = {"healthy": HEALTHY, "broken": BROKEN, "slow": SLOW, "silent": SILENT, "unreachable": UNREACHABLE}
FAULTS = (Fault.CONFLICT, Fault.THROTTLED, Fault.SERVER_ERROR, Fault.LOSE_ANSWER, Fault.LOSE_REQUEST)
KILLS = (Fault.KILL_AFTER, Fault.KILL_BEFORE)


class Story(RuleBasedStateMachine):
    """One ModelDeployment and everybody who can do something to it."""

    World: type[OperatorWorld] = OperatorWorld

    def __init__(self) -> None:
        super().__init__()
        self.world = self.World()
        self.churn = Churn(self.world)
        self.versions: list[str] = []
        self.parts: dict[str, Any] = {}
        self.looked_at = 0
        self.retried: set[str] = set()
        self.failing: set[str] = set()

    @initialize()
    def begin(self) -> None:
        self._first_champion()

    def _first_champion(self) -> None:
        self.versions.append(self.churn.publish())
        self.churn.apply()
        self.world.run(2)

    # ---- people

    @precondition(lambda self: not self.world.registry.unavailable)
    @rule(behaviour=st.sampled_from(sorted(BEHAVIOURS)), ready=st.sampled_from([READY, slow(7), NEVER_READY]))
    def publish(self, behaviour: str, ready: Any) -> None:
        version = self.churn.publish()
        self.versions.append(version)
        self.world.pods.behaviours[version] = BEHAVIOURS[behaviour]
        self.world.step()
        for record in self.world.cluster.all("ControllerRevision"):
            if record["data"].get("model", {}).get("version") == version:
                self.world.cluster.readiness[record["metadata"]["labels"]["viridian.dev/revision"]] = ready

    @precondition(lambda self: not self.world.registry.unavailable)
    @rule(index=st.integers(0, 5))
    def point_the_alias_back(self, index: int) -> None:
        self.churn.point(self.versions[index % len(self.versions)])

    @rule(index=st.integers(0, 5))
    def pin(self, index: int) -> None:
        self._apply(model=pinned(self.versions[index % len(self.versions)]))

    @rule()
    def follow_the_alias(self) -> None:
        self._apply(model=None)

    @rule(replicas=st.integers(1, 4))
    def scale(self, replicas: int) -> None:
        self._apply(server={"replicas": replicas})

    @rule(name=st.sampled_from(sorted(ROLLOUTS)))
    def edit_the_rollout(self, name: str) -> None:
        self._apply(rollout=dict(ROLLOUTS[name]))

    @rule(
        command=st.sampled_from(
            ["approve", "skip", "promote", "reject", "rollback", "rollback to", "retry", "restart", "drill"]
        ),
        index=st.integers(0, 5),
        again=st.sampled_from(["", "#2", "#3"]),
    )
    def command(self, command: str, index: int, again: str) -> None:
        revisions = sorted(
            record["metadata"]["labels"]["viridian.dev/revision"]
            for record in self.world.cluster.all("ControllerRevision")
            if "viridian.dev/revision" in record["metadata"]["labels"]
        )
        about = revisions[index % len(revisions)] if revisions else "none"
        if command == "retry":
            self.retried.add(about)
        elif command == "rollback to":
            named = revisions[(index + 1) % len(revisions)] if revisions else "none"
            self.retried.add(named)
            command, about = "rollback", f"{about}/{named}"
        elif command == "skip":
            about = f"{about}/{('25%', 'probation', '50%,25%', 'schema,probation,nothing')[index % 4]}"
        self.churn.annotate(command, f"{about}{again}")

    @rule()
    def delete_the_status(self) -> None:
        self.churn.wipe_status()

    @rule()
    def delete_the_deployment_that_serves_nobody(self) -> None:
        live = traffic.record_of(self.world.cluster.find("Service", "churn"))
        if live is not None and live.champion.other not in live.receiving:
            self.world.cluster.remove("Deployment", f"churn-{live.champion.other}")

    # ---- faults

    @rule()
    def the_champions_pods_fail(self) -> None:
        live = traffic.record_of(self.world.cluster.find("Service", "churn"))
        if live is not None:
            self.failing.add(live.revision)
            self.world.cluster.readiness[live.revision] = NEVER_READY
            self.world.cluster.run_controllers()

    @precondition(lambda self: self.failing)
    @rule()
    def they_recover(self) -> None:
        for revision in self.failing:
            self.world.cluster.readiness[revision] = READY

    @rule(number=st.integers(1, 6), fault=st.sampled_from((*FAULTS, *KILLS)))
    def a_write_goes_wrong(self, number: int, fault: Fault) -> None:
        count = len(self.world.cluster.writes) + number
        self.world.cluster.faults.on_write(count, fault)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(down=st.booleans())
    def registry(self, down: bool) -> None:
        self.world.registry.unavailable = down

    @rule(rate=st.sampled_from([0.0, 2.0, 50.0]))
    def users(self, rate: float) -> None:
        self.world.pods.rate = rate

    # ---- time

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 12.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    # ---- what always holds

    @invariant()
    def users_are_safe(self) -> None:
        worlds = self.world.cluster.worlds
        found = violations(worlds[max(0, self.looked_at - 1) :], retried=self.retried, failing=self.failing)
        assert not found, f"{found}\n{self.world.story()}"
        self.looked_at = len(worlds)

    def teardown(self) -> None:
        """People and faults come to an end: a healthy version is wanted, and everybody does as is asked."""
        world, churn = self.world, self.churn
        try:
            world.cluster.faults.clear()
            self.they_recover()
            world.registry.unavailable = False
            world.pods.rate = 50.0
            if churn.cluster.find(MODEL_DEPLOYMENT, "churn") is None:
                return
            version = churn.publish()
            churn.apply()
            assert world.run(240, until=lambda: churn.serves(version)), (
                f"{version} is not the champion: {churn.status}\n{world.story(30)}"
            )
            world.run(60)
            world.rest()
            self.users_are_safe()
        finally:
            world.close()

    def _apply(self, **parts: Any) -> None:
        self.parts = {**self.parts, **parts}
        self.churn.apply(**self.parts)


class TrialStory(Story):
    """The same, once users have met a challenger: two of its steps are still to come."""

    @initialize(weight=st.sampled_from([50, 100]), alone=st.booleans())
    def begin(self, weight: int, alone: bool) -> None:
        """`alone`: the champion fails beside it."""
        self._first_champion()
        step = {"weight": weight, "duration": "30s"}
        self._apply(rollout={"steps": [step, step]})
        self.versions.append(self.churn.publish())
        assert self.world.run(60, until=lambda: self.churn.status.get("challenger", {}).get("weight", 0) > 0)
        if alone:
            self.the_champions_pods_fail()

    @invariant()
    def time_passes(self) -> None:
        """So that the operator has seen what happened before the next thing does."""
        self.world.run(2.0)
        self.users_are_safe()


Story.TestCase.settings = settings(max_examples=25, stateful_step_count=14)
TrialStory.TestCase.settings = settings(max_examples=25, stateful_step_count=8)
TestStory = Story.TestCase
TestTrialStory = TrialStory.TestCase
