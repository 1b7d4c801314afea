"""What a command of a person writes: one annotation that names what it is about, or one field of the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viridian.api import names
from viridian.people.model_summary import ModelSummary


class NothingToOrder(Exception):
    """The command makes no sense for this model now; the message says why, and what would."""


@dataclass(frozen=True, slots=True)
class PersonOrder:
    """A merge patch of the object, and the sentence that is printed once it is written."""

    patch: Mapping[str, Any]
    sentence: str


def approve(model: ModelSummary, user: str) -> PersonOrder:
    """The challenger passes its present approval step."""
    revision = _challenger(model, "approve")
    return _annotated(model, names.APPROVE_ANNOTATION, revision, user, f"{_trial(model)} is approved by {user}")


def promote(model: ModelSummary, user: str) -> PersonOrder:
    """The challenger passes all of its steps."""
    revision = _challenger(model, "promote")
    return _annotated(model, names.PROMOTE_ANNOTATION, revision, user, f"{_trial(model)} passes all steps")


def skip(model: ModelSummary, steps: Sequence[str], user: str) -> PersonOrder:
    """The challenger passes steps and checks by name; `probation` lets it through before the champion is proven."""
    step = ",".join(steps)
    newer = model.status.next
    if newer is not None:
        done = f"version {newer.version or newer.revision} of {model.name} passes {step}"
        return _annotated(model, names.SKIP_ANNOTATION, f"{newer.revision}/{step}", user, done)
    about = f"{_challenger(model, 'skip')}/{step}"
    return _annotated(model, names.SKIP_ANNOTATION, about, user, f"{_trial(model)} passes {step}")


def reject(model: ModelSummary, user: str) -> PersonOrder:
    """The challenger loses its chance."""
    revision = _challenger(model, "reject")
    return _annotated(model, names.REJECT_ANNOTATION, revision, user, f"{_trial(model)} is rejected")


def rollback(model: ModelSummary, to: str, user: str) -> PersonOrder:
    """The champion gives its traffic to the fallback, or to a former champion by its version or revision."""
    champion, named = _champion(model), _former_champion(model, to) if to else ""
    if not named and model.status.fallback is None and model.status.challenger is None:
        raise NothingToOrder(f"{model.name} has no fallback: name a former champion with --to (see `history`)")
    about = f"{champion}/{named}" if named else champion
    whom = to or "the fallback"
    return _annotated(
        model, names.ROLLBACK_ANNOTATION, about, user, f"version {model.champion} gives its traffic to {whom}"
    )


def retry(model: ModelSummary, user: str) -> PersonOrder:
    """The newest rejected version gets another chance."""
    if not model.status.rejected:
        raise NothingToOrder(f"no version of {model.name} is rejected")
    lost = model.status.rejected[0]
    return _annotated(
        model, names.RETRY_ANNOTATION, lost.revision, user, f"{lost.version or lost.revision} is tried again"
    )


def drill(model: ModelSummary, user: str) -> PersonOrder:
    """The fallback serves for a while."""
    if model.status.fallback is None:
        raise NothingToOrder(f"{model.name} has no fallback that could serve")
    whom = model.status.fallback.version or model.status.fallback.revision
    return _annotated(model, names.DRILL_ANNOTATION, _champion(model), user, f"{whom} serves for a while")


def pause(model: ModelSummary) -> PersonOrder:
    """Nothing new is deployed or promoted."""
    return PersonOrder(
        {"spec": {"rollout": {"paused": True}}}, f"rollouts of {model.name} are paused; a revert stays possible"
    )


def resume(model: ModelSummary) -> PersonOrder:
    """The opposite of a pause."""
    return PersonOrder({"spec": {"rollout": {"paused": None}}}, f"rollouts of {model.name} go on")


WITHOUT_MORE: Final[Mapping[str, Callable[[ModelSummary, str], PersonOrder]]] = {
    "approve": approve, "promote": promote, "reject": reject, "retry": retry, "drill": drill,
}  # fmt: skip
"""Orders that need nothing but the model and the user."""


def _annotated(model: ModelSummary, annotation: str, about: str, user: str, sentence: str) -> PersonOrder:
    """The order as a person would write it by hand; a number tells it apart from one that stands there already."""
    parts = model.annotations.get(annotation, "").split("#")
    repeated = parts[0].strip() == about
    number = next((int(part) for part in parts[1:-1] if part.isdigit()), 1) + 1 if repeated else 0
    value = "#".join([about, *([str(number)] if number else []), user])
    return PersonOrder({"metadata": {"annotations": {annotation: value}}}, sentence)


def _challenger(model: ModelSummary, verb: str) -> str:
    if model.status.challenger is None:
        raise NothingToOrder(f"no version of {model.name} is on trial, so there is nothing to {verb}")
    return model.status.challenger.revision


def _champion(model: ModelSummary) -> str:
    if model.status.champion is None:
        raise NothingToOrder(f"no version of {model.name} serves yet")
    return model.status.champion.revision


def _trial(model: ModelSummary) -> str:
    return f"version {model.challenger} of {model.name}"


def _former_champion(model: ModelSummary, to: str) -> str:
    """The revision of a version that was champion before."""
    known = [one for one in model.status.history if to in (one.revision, one.version)]
    if not known:
        raise NothingToOrder(f"the history of {model.name} has no version or revision {to} (see `history`)")
    return known[0].revision
