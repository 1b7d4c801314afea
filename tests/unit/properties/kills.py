"""P4: a story is told once undisturbed; then again and again, with the operator killed at another of its writes.

The writes are those of the API server, events and statuses included, and those of the model registry. Each time the
operator starts again with an empty memory, and the end must be the same by role. What comes before the first of these
writes is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

from tests.support.branches import in_a_child
from tests.support.churn import Churn
from tests.support.memory_cluster import Call, Fault, Killed
from tests.support.operator_world import OperatorWorld
from tests.support.roles import by_role, difference, registered, trails
from tests.support.safety import violations

Way = TypeVar("Way")


@dataclass(frozen=True)
class Scenario:
    """What people do before, undisturbed, and then the part in which the operator is killed."""

    name: str
    before: Callable[[Churn], None]
    then: Callable[[Churn], None]
    settle: float = 60.0
    """Seconds after which nothing moves any more."""
    make: Callable[[], OperatorWorld] = OperatorWorld

    @contextmanager
    def begun(self) -> Iterator[Churn]:
        """A world in which the undisturbed part is over; calls are counted from here on."""
        with closing(self.make()) as world:
            churn = Churn(world)
            self.before(churn)
            world.cluster.forget_calls()
            yield churn

    def for_each(self, ways: Iterable[Way], check: Callable[[Churn, Way], None]) -> None:
        """The undisturbed part is told once, and from there the story goes on in each of these ways."""
        with self.begun() as churn:
            for way in ways:
                in_a_child(partial(check, churn, way))

    def tell(self, churn: Churn) -> dict[str, Any]:
        """The rest of the story, and its end by role; users were safe all along, and at the end nothing moves."""
        self.then(churn)
        world = churn.world
        world.run(self.settle)
        world.rest(resyncs=1)
        assert violations(world.cluster.worlds) == []
        return ending(world)


def ending(world: OperatorWorld) -> dict[str, Any]:
    """Everything by role, and what the registry holds, the trail of audit included."""
    aliases = {name: dict(model.aliases) for name in ("churn",) if (model := world.do(world.registry.model(name)))}
    held = {"versions": registered(world.registry), "aliases": aliases, "trails": trails(world.registry)}
    return {**by_role(world.cluster.present()), **held}


@dataclass(frozen=True)
class Writes:
    """How many writes an undisturbed story takes."""

    cluster: int
    registry: int
    apart: tuple[int, ...]
    """Those to the API server before which something else has happened since the one before it.

    To die before any other one leaves the same world as to die after the one before it.
    """

    def deaths(self, fault: Fault) -> Sequence[int]:
        """At which writes an operator has to die by this fault, where it dies by the other one at all of them."""
        return self.apart if fault is Fault.KILL_BEFORE else range(1, self.cluster + 1)


@cache
def undisturbed(scenario: Scenario) -> tuple[dict[str, Any], Writes]:
    moments: list[tuple[int, int, int]] = []
    registry: list[str] = []
    with scenario.begun() as churn:
        world = churn.world

        def note(call: Call) -> None:
            if call.mutating:
                moments.append((world.passes, len(registry), len(world.pods.closed)))

        churn.cluster.before_call = note
        churn.world.registry.after_write = lambda method: registry.append(method) if churn.world.in_pass else None
        end = scenario.tell(churn)
    apart = [k for k, moment in enumerate(moments, start=1) if k == 1 or moment != moments[k - 2]]
    return end, Writes(len(moments), len(registry), tuple(apart))


def killed_at_writes(
    scenario: Scenario, *, least: int, every: int = 1, also: Callable[[Churn], None] = lambda _: None
) -> int:
    """How many writes to the API server the story takes: `least` or more.

    Told anew for each of them, or for one of every so many, with an operator that dies there, it comes to the same end,
    where `also` is checked. Of every second write the answer is lost, of the others the write itself.
    """
    expected, writes = undisturbed(scenario)
    assert writes.cluster >= least, f"{scenario.name} takes {writes.cluster} writes"

    def killed(churn: Churn, k: int) -> None:
        at_write(churn, k, Fault.KILL_AFTER if k % 2 else Fault.KILL_BEFORE)
        found = scenario.tell(churn)
        assert found == expected, f"killed at write {k}\n{difference(expected, found)}"
        assert churn.world.restarts == 1
        also(churn)

    scenario.for_each(range(1, writes.cluster + 1, every), killed)
    return writes.cluster


def at_write(churn: Churn, k: int, fault: Fault, then: Callable[[Churn], None] | None = None) -> None:
    """Arms a fault at the k-th write to the API server; `then` is called when it strikes."""
    seen = 0

    def strikes(call: Call) -> bool:
        nonlocal seen
        seen += call.mutating
        hit = call.mutating and seen == k
        if hit and then is not None:
            then(churn)
        return hit

    churn.cluster.faults.on(strikes, fault)


def at_registry_write(churn: Churn, k: int) -> None:
    """Kills the operator right after its k-th write to the registry took effect."""
    seen = 0

    def strike(_: str) -> None:
        nonlocal seen
        seen += churn.world.in_pass
        if seen == k and churn.world.in_pass:
            raise Killed("the operator died after the registry's write took effect")

    churn.world.registry.after_write = strike
