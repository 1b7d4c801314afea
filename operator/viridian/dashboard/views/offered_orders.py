"""Which orders a person may give about a model now, each bound to the revision that the page shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from viridian.core.lookup import dig
from viridian.people import person_orders
from viridian.people.model_summary import ModelSummary
from viridian.people.next_step import PROGRAM
from viridian.people.person_orders import NothingToOrder, PersonOrder

_Order = Callable[[ModelSummary, str], PersonOrder]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    order: _Order
    effect: str
    about: Callable[[ModelSummary], str]
    """What the order is about; it is refused where that has changed since the page was made."""
    ends_something: bool = False
    """Whether it is asked for a second time."""


def _challenger(model: ModelSummary) -> str:
    return model.status.challenger.revision if model.status.challenger is not None else ""


def _champion(model: ModelSummary) -> str:
    return model.status.champion.revision if model.status.champion is not None else ""


def _rejected(model: ModelSummary) -> str:
    return model.status.rejected[0].revision if model.status.rejected else ""


_KINDS: Final[Mapping[str, _Kind]] = {
    "approve": _Kind(order=person_orders.approve, effect="The challenger passes this step.", about=_challenger),
    "promote": _Kind(
        order=person_orders.promote,
        effect="The challenger passes all of its steps and gets all of the traffic.",
        about=_challenger,
        ends_something=True,
    ),
    "reject": _Kind(
        order=person_orders.reject,
        effect="The challenger loses its traffic and is not tried again.",
        about=_challenger,
        ends_something=True,
    ),
    "rollback": _Kind(
        order=lambda model, user: person_orders.rollback(model, "", user),
        effect="The champion gives its traffic back to the version before it.",
        about=_champion,
        ends_something=True,
    ),
    "retry": _Kind(order=person_orders.retry, effect="The version rejected last is tried again.", about=_rejected),
    "drill": _Kind(
        order=person_orders.drill,
        effect="The fallback serves for a while, to see that it can.",
        about=_champion,
        ends_something=True,
    ),
    "pause": _Kind(
        order=lambda model, _: person_orders.pause(model),
        effect="Nothing new is deployed or promoted. A rollback stays possible.",
        about=_champion,
    ),
    "resume": _Kind(order=lambda model, _: person_orders.resume(model), effect="Rollouts go on.", about=_champion),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedOrder:
    """A button: what it does, and the command that does the same."""

    verb: str
    about: str
    effect: str
    command: str
    ends_something: bool


def offered_orders(manifest: Mapping[str, Any], model: ModelSummary) -> Iterator[OfferedOrder]:
    """Those that make sense now; the API server decides whether the person may give them."""
    for verb, kind in _KINDS.items():
        if _makes_sense(verb, kind, manifest, model):
            yield OfferedOrder(
                verb=verb,
                about=kind.about(model),
                effect=kind.effect,
                command=f"{PROGRAM} {verb} {model.name} -n {model.namespace}",
                ends_something=kind.ends_something,
            )


def order_of(verb: str, about: str, model: ModelSummary, user: str) -> PersonOrder:
    """The order as the command line gives it; raises NothingToOrder where it makes no sense any more."""
    kind = _KINDS.get(verb)
    if kind is None:
        raise NothingToOrder(f"there is no order {verb!r}")
    if kind.about(model) != about:
        raise NothingToOrder(f"{model.name} has changed since the page was made: look at it again")
    return kind.order(model, user)


def _makes_sense(verb: str, kind: _Kind, manifest: Mapping[str, Any], model: ModelSummary) -> bool:
    paused = dig(manifest, "spec", "rollout", "paused") is True
    if verb in ("pause", "resume"):
        return paused is (verb == "resume")
    if verb == "retry" and model.status.challenger is not None:
        return False
    if verb == "drill" and model.status.challenger is not None:
        return False
    if verb == "approve" and not _awaits_approval(model):
        return False
    try:
        kind.order(model, "")
    except NothingToOrder:
        return False
    return True


def _awaits_approval(model: ModelSummary) -> bool:
    challenger = model.status.challenger
    return challenger is not None and challenger.waiting_reason == "Approval"
