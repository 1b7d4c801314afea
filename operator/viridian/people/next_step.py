"""What would move a model on: the command, and what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from viridian.api import reasons
from viridian.people.model_summary import ModelSummary, is_true
from viridian.rollout.decision import WaitKind

PROGRAM: Final = "kubectl viridian"


@dataclass(frozen=True, slots=True)
class NextStep:
    """A command for people, and what follows from it."""

    command: str
    effect: str


def next_steps(model: ModelSummary) -> list[NextStep]:
    """What a person may do about what the model waits for; nothing where it goes on by itself."""
    status = model.status
    waiting = next((one.waiting_reason for one in (status.challenger, status.next) if one is not None), "")
    found = [
        NextStep(_command(verb, model, *more), effect) for verb, effect, *more in _BY_WAITING.get(waiting or "", ())
    ]
    if status.rejected and status.challenger is None and is_true(status, reasons.STALLED):
        found.append(NextStep(_command("retry", model), "tries the rejected version again"))
    if is_true(status, reasons.ROLLBACK_UNTESTED) and status.challenger is None:
        found.append(NextStep(_command("drill", model), "lets the fallback serve for a while, to see that it can"))
    return found


_BY_WAITING: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    WaitKind.APPROVAL: (("approve", "passes this step"), ("reject", "takes the challenger off trial")),
    WaitKind.BREACH_HELD: (
        ("reject", "takes the challenger off trial"),
        ("promote", "passes all steps in spite of the breach"),
    ),
    WaitKind.SAMPLES: (("promote", "passes all steps without these samples"),),
    WaitKind.METRICS_SOURCE: (("promote", "passes all steps without these figures"),),
    WaitKind.COPIES: (("promote", "passes all steps without copies"),),
    WaitKind.UNPAUSED: (("resume", "ends the pause"),),
    WaitKind.PROMOTION_WINDOW: (("promote", "waits for no window"),),
    WaitKind.PROBATION_END: (("skip", "lets the newer version through now", "probation"),),
}


def _command(verb: str, model: ModelSummary, *more: str) -> str:
    return " ".join([PROGRAM, verb, model.name, *more, "-n", model.namespace])
