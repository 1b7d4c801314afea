"""`gate.approval`: a candidate that passed the gate waits for a person before it is handed over.

Its run has the outcome `AwaitingApproval` meanwhile, and blocks nothing: other runs begin and end. The newest candidate
waits; one that a newer one has followed is superseded. What a person writes is first put on the record of the run. From
there on the hand-over is completed like any other, wherever the operator is stopped and whatever becomes of the
annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from viridian.api import reasons
from viridian.api.gate_spec import Gate, GateApproval
from viridian.api.names import APPROVE_ANNOTATION, REJECT_ANNOTATION
from viridian.retraining.run_commands import RunCommand, command_about, dump_commands, parse_command
from viridian.retraining.runs import Run

_FOLLOWS = (reasons.AWAITING_APPROVAL, reasons.HANDED_OVER)
"""Outcomes of a newer run that make an older candidate needless."""


def needs_approval(gate: Gate, *, is_superior: Callable[[], bool]) -> bool:
    """Whether a person has to approve a candidate that passed; `is_superior()`: whether it is better than a champion.

    That is asked only where it decides, since the candidate is judged once more for it.
    """
    match gate.approval:
        case GateApproval.AUTO:
            return False
        case GateApproval.REQUIRED:
            return True
        case GateApproval.AUTO_IF_SUPERIOR:
            return not is_superior()


def awaiting(finished: Sequence[Run]) -> tuple[Run, ...]:
    """Runs whose candidates wait for a person, the newest first, as `finished` is."""
    return tuple(run for run in finished if run.finished and run.finished.outcome == reasons.AWAITING_APPROVAL)


def to_hand_over(
    gate: Gate, finished: Sequence[Run], annotations: Mapping[str, str], *, has_room: bool = True
) -> Run | None:
    """The oldest waiting run of which it is known what becomes of it; an edit may have made it wait for nobody.

    `has_room`: whether `budget.maxHandOvers` allows another hand-over without a person.
    """
    decided = [
        run
        for run in awaiting(finished)
        if (has_room and (gate.approval is GateApproval.AUTO or waits_for_room(run)))
        or is_superseded(run, finished)
        or decision_about(run, annotations) is not None
    ]
    return decided[-1] if decided else None


def waits_for_room(run: Run) -> bool:
    """Whether its candidate needs no person, and waits for `budget.maxHandOvers` alone."""
    return run.finished is not None and run.finished.waits_until is not None


def is_superseded(run: Run, finished: Sequence[Run]) -> bool:
    """Whether a newer run has a candidate that waits or was handed over, and nobody has decided about this one."""
    place = next((place for place, known in enumerate(finished) if known.id == run.id), 0)
    newer = (known.finished.outcome for known in finished[:place] if known.finished is not None)
    return recorded_decision(run) is None and any(outcome in _FOLLOWS for outcome in newer)


def decision_about(run: Run, annotations: Mapping[str, str]) -> RunCommand | None:
    """What a person decided about the candidate: as it stands on the record, else on the policy."""
    return recorded_decision(run) or next(_decisions(run, annotations), None)


def recorded_decision(run: Run) -> RunCommand | None:
    """The decision that the record holds; what was written before the run began is none."""
    before = dump_commands(run.record.origin.commands)
    written = [text for text in (run.finished.commands if run.finished else ()) if text not in before]
    parsed = (parse_command(*text.split("=", 1)) for text in written if "=" in text)
    return next((command for command in parsed if command is not None), None)


def _decisions(run: Run, annotations: Mapping[str, str]) -> Iterator[RunCommand]:
    """A rejection counts before an approval. The text with which the run was approved to begin does not count twice."""
    for annotation in (REJECT_ANNOTATION, APPROVE_ANNOTATION):
        command = command_about(annotations, annotation, run.id)
        if command is not None and command.value != run.record.origin.commands.get(annotation):
            yield command
