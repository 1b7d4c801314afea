"""`estimate`: what a RetrainPolicy is going to cost in a period of its budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import typer

from viridian.backtest.cost_estimate import CostEstimate, DeclaredCosts, estimate
from viridian.backtest.history import UnusableHistory
from viridian.cli.files import UnusableFile, name_of, policy_spec, read_manifests
from viridian.cli.history_arguments import Objects, amount, time_or_now
from viridian.cli.output_formats import TableFormat, TableOrJson
from viridian.cli.text_tables import table
from viridian.people.policy_objects import known_status
from viridian.people.report_texts import number_of

DESCRIPTION: Final = """\
Estimate what a RetrainPolicy takes in a period of its budget: the runs of its schedules, those of its other triggers as
often as they were so far, and CPU-hours and cost of a run as its runs so far have shown them. What no record shows is
declared: the CPU-hours of monitoring, and the hours of people.
"""
EPILOG: Final = """\
example:
  kubectl get retrainpolicy churn -n ml -o yaml > churn.yaml
  python -m viridian.cli estimate -f churn.yaml --engineering-hours 6 --hourly-rate 80
"""


def estimate_policies(
    filename: Objects,
    monitoring_cpu_hours: Annotated[
        float | None, _amount("HOURS", "CPU-hours that monitoring takes in the period.")
    ] = None,
    engineering_hours: Annotated[float | None, _amount("HOURS", "Hours of people in the period.")] = None,
    hourly_rate: Annotated[
        float | None, _amount("AMOUNT", "What such an hour costs, in the unit of spec.budget.price.")
    ] = None,
    now: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the period begins, in RFC 3339; else now.")
    ] = None,
    output: TableOrJson = TableFormat.TABLE,
) -> str:
    declared = DeclaredCosts(
        monitoring_cpu_hours=monitoring_cpu_hours or 0.0,
        engineering_hours=engineering_hours or 0.0,
        hourly_rate=hourly_rate or 0.0,
    )
    at = time_or_now("--now", now)
    policies = read_manifests(filename).policies
    if not policies:
        raise UnusableFile("a RetrainPolicy is needed, and the files have none")
    found = {name_of(policy): _estimate(policy, declared, at) for policy in policies}
    if output is TableFormat.JSON:
        whole = [{"name": name, "estimate": one, "total": one.total} for name, one in found.items()]
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    return "\n\n".join("\n".join(_lines(name, one)) for name, one in found.items())


def _amount(metavar: str, meaning: str) -> Any:
    return typer.Option(metavar=metavar, help=meaning, parser=amount)


def _estimate(policy: Mapping[str, Any], declared: DeclaredCosts, now: datetime) -> CostEstimate:
    try:
        return estimate(policy_spec(policy), known_status(policy).runs, now, declared)
    except UnusableHistory as problem:
        raise UnusableFile(f"RetrainPolicy {name_of(policy)}: {problem}") from problem


def _lines(name: str, found: CostEstimate) -> Iterator[str]:
    rows = [
        ("runs of schedules", str(found.scheduled_runs)),
        ("runs of other triggers", number_of(found.other_runs)),
        ("runs", number_of(found.runs)),
        ("CPU-hours of a run", number_of(found.cpu_hours_of_run)),
        ("CPU-hours", number_of(found.cpu_hours)),
        ("cost of CPU-hours", number_of(found.cost)),
        ("cost of people", number_of(found.engineering)),
        ("total", number_of(found.total)),
    ]
    yield f"RetrainPolicy {name}, {found.period}"
    yield table(("what", "estimate"), rows)
    yield from found.findings
