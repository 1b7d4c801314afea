"""What the stages of a run used of CPUs and memory, as far as their reports have it.

A budget does not count this: it counts what was requested (`stages.cpu_time`), which every pod shows.
"""

from __future__ import annotations

from viridian.api.resource_usage import ResourceUsage
from viridian.api.stage import parse_report
from viridian.retraining.runs import Run, RunStage


def stage_usage(stage: RunStage) -> ResourceUsage | None:
    """What the attempt of the stage that counts has reported; None where it reported nothing of the kind.

    A stage whose earlier result counts has used nothing.
    """
    if stage.result is None or stage.note.cached:
        return None
    report = parse_report(stage.result.termination_message)
    if report.cpu_seconds is None and report.peak_memory_bytes is None:
        return None
    return ResourceUsage(cpu_seconds=report.cpu_seconds, peak_memory_bytes=report.peak_memory_bytes)


def run_usage(run: Run) -> ResourceUsage | None:
    """The CPU time of its stages together, and the peak of the largest, since they run one after the other."""
    known = [usage for stage in run.stages if (usage := stage_usage(stage)) is not None]
    seconds = [usage.cpu_seconds for usage in known if usage.cpu_seconds is not None]
    peaks = [usage.peak_memory_bytes for usage in known if usage.peak_memory_bytes is not None]
    if not known:
        return None
    return ResourceUsage(
        cpu_seconds=round(sum(seconds), 3) if seconds else None, peak_memory_bytes=max(peaks, default=None)
    )
