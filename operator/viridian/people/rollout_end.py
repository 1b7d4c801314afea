"""Whether what a spec asks for has been rolled out, for those who wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from viridian.api import reasons
from viridian.people.model_summary import ModelSummary, condition, is_true


@dataclass(frozen=True, slots=True)
class RolloutEnd:
    """Nothing goes on by itself any more."""

    serves: bool
    """Whether the champion is what the spec asks for."""
    sentence: str


def rollout_end(model: ModelSummary, generation: int) -> RolloutEnd | None:
    """How the rollout of the spec of this generation has ended; None while it goes on.

    As kstatus has it: a status of an older spec shows nothing, Stalled is an end, and Reconciling is none. A candidate
    of an alias that was rejected stalls nothing, since the alias may move on: the reason of Ready shows it. The same
    reason shows a probation, which may still end with the former champion.
    """
    status = model.status
    if (status.observed_generation or 0) < generation:
        return None
    stalled, ready = condition(status, reasons.STALLED), condition(status, reasons.READY)
    if stalled is not None and stalled.status == "True":
        return RolloutEnd(serves=False, sentence=f"{stalled.reason}: {stalled.message}")
    if is_true(status, reasons.RECONCILING) or ready is None or ready.status != "True":
        return None
    if ready.reason == reasons.PROBATION:
        return None
    return RolloutEnd(ready.reason != reasons.REVISION_REJECTED, f"{ready.reason}: {ready.message}")
