"""`estimate`: what a RetrainPolicy is going to cost in a period of its budget."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from viridian.backtest.cost_estimate import CostEstimate, DeclaredCosts, estimate
from viridian.backtest.history import UnusableHistory
from viridian.cli.files import UnusableFile, name_of, policy_spec, policy_status, read_manifests
from viridian.cli.history_arguments import add_objects, amount, time_or_now
from viridian.cli.text_tables import number_of, table

if TYPE_CHECKING:
    from viridian.cli.subcommands import Subparsers

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


def add_to(commands: Subparsers) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "estimate",
        help="what a policy is going to cost",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_answer)
    add_objects(parser, "RetrainPolicies")
    declared = (
        ("--monitoring-cpu-hours", "HOURS", "CPU-hours that monitoring takes in the period"),
        ("--engineering-hours", "HOURS", "hours of people in the period"),
        ("--hourly-rate", "AMOUNT", "what such an hour costs, in the unit of spec.budget.price"),
    )
    for option, metavar, meaning in declared:
        parser.add_argument(option, type=amount, default=0.0, metavar=metavar, help=f"{meaning}; default: none")
    parser.add_argument("--now", metavar="TIME", help="when the period begins, in RFC 3339; default: now")
    parser.add_argument(*("-o", "--output"), choices=("table", "json"), default="table", help="default: table")


def _answer(options: argparse.Namespace) -> str:
    policies = read_manifests(options.filename).policies
    if not policies:
        raise UnusableFile("a RetrainPolicy is needed, and the files have none")
    found = {name_of(policy): _estimate(policy, options) for policy in policies}
    if options.output == "json":
        whole = [{"name": name, "estimate": one, "total": one.total} for name, one in found.items()]
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    return "\n\n".join("\n".join(_lines(name, one)) for name, one in found.items())


def _estimate(policy: Mapping[str, Any], options: argparse.Namespace) -> CostEstimate:
    declared = DeclaredCosts(
        monitoring_cpu_hours=options.monitoring_cpu_hours,
        engineering_hours=options.engineering_hours,
        hourly_rate=options.hourly_rate,
    )
    now = time_or_now("--now", options.now)
    try:
        return estimate(policy_spec(policy), policy_status(policy).runs, now, declared)
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
