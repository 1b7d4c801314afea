"""What a phase has cost: calls, passes, memory and time of the operator, and the processor time of all beside it."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.operator_process import OperatorProcess

Labels = Mapping[str, str]

_LINE: Final = re.compile(r"^([a-z_]+)(?:\{([^}]*)\})? ([^ ]+)$")
_LABEL: Final = re.compile(r'([a-z]+)="([^"]*)"')
_OWN: Final = ("viridian_api_requests_total", "viridian_reconciles_total", "viridian_sweep", "workqueue_", "process_")
"""How metrics begin that are about the operator; those of objects are a hundred thousand, and are only counted."""
MOST_RESOURCES: Final = 24


@dataclass(frozen=True)
class Scrape:
    """What the operator tells of itself at one moment."""

    seconds: float
    series: int
    own: Mapping[str, list[tuple[Labels, float]]]

    @staticmethod
    def of(operator: OperatorProcess) -> Scrape:
        began = time.monotonic()
        text = operator.exposition()
        seconds = time.monotonic() - began
        own: dict[str, list[tuple[Labels, float]]] = {}
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        for line in lines:
            if line.startswith(_OWN) and (found := _LINE.match(line)):
                own.setdefault(found[1], []).append((dict(_LABEL.findall(found[2] or "")), float(found[3])))
        return Scrape(seconds, len(lines), own)

    def total(self, name: str) -> float:
        return sum(value for _, value in self.own.get(name, ()))

    def by(self, name: str, *labels: str) -> Counter[str]:
        """The sums of a metric by these labels."""
        sums: Counter[str] = Counter()
        for carried, value in self.own.get(name, ()):
            sums[" ".join(carried[label] for label in labels)] += int(value)
        return sums


@dataclass(frozen=True)
class Cost:
    """Everything that was used until one moment."""

    at: float
    scrape: Scrape
    mlflow_calls: Counter[str]
    cpu: Mapping[str, float]
    """Processor seconds by program."""
    resident: float
    """Megabytes of the operator."""
    most_resident: float

    @staticmethod
    def of(operator: OperatorProcess, programs: Mapping[str, int], mlflow_calls: Callable[[], Counter[str]]) -> Cost:
        resident, most = memory(operator.pid)
        return Cost(
            at=time.monotonic(),
            scrape=Scrape.of(operator),
            mlflow_calls=mlflow_calls(),
            cpu={name: processor_seconds(pid) for name, pid in {"operator": operator.pid, **programs}.items()},
            resident=resident,
            most_resident=most,
        )


def processor_seconds(pid: int) -> float:
    """Of a process and its children."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:2])
    return total


def memory(pid: int) -> tuple[float, float]:
    """Resident now, and at most so far, in megabytes."""
    sizes = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (float(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def report(phase: str, before: Cost, after: Cost, objects: int) -> None:
    """Print what happened between two moments."""
    seconds = after.at - before.at
    verbs, passes, outcomes, resources = (
        _difference(before, after, name, *labels)
        for name, *labels in (
            ("viridian_api_requests_total", "verb"),
            ("viridian_reconciles_total", "reconciler"),
            ("viridian_reconciles_total", "outcome"),
            ("viridian_api_requests_total", "verb", "resource"),
        )
    )
    used = {name: cpu - before.cpu.get(name, 0.0) for name, cpu in after.cpu.items()}
    print(f"{phase}, {seconds:.0f} s:")
    print(
        "  processor: " + ", ".join(f"{name} {cpu:.1f} s ({100 * cpu / seconds:.1f} %)" for name, cpu in used.items())
    )
    print(f"  memory of the operator: {after.resident:.0f} MB, at most {after.most_resident:.0f} MB")
    print(f"  API calls a second: {_each(verbs, seconds)}")
    print(f"  API calls an object: {_each(verbs, objects)}")
    print(f"  API calls: {_each(Counter(dict(resources.most_common(MOST_RESOURCES))), 1)}")
    print(f"  MLflow calls: {_each(after.mlflow_calls - before.mlflow_calls, 1)}")
    print(f"  passes an object: {_each(passes, objects)}; by outcome: {_each(outcomes, 1)}")
    print(f"  a scrape: {after.scrape.seconds:.2f} s for {after.scrape.series} series", flush=True)


def _difference(before: Cost, after: Cost, name: str, *labels: str) -> Counter[str]:
    return after.scrape.by(name, *labels) - before.scrape.by(name, *labels)


def _each(counted: Counter[str], share: float) -> str:
    """Each number by so many."""
    shares = (
        f"{name} {number / share:.2f}" if share != 1 else f"{name} {number}" for name, number in counted.most_common()
    )
    return ", ".join(shares) or "none"
