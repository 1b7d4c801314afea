"""`backtest`: what monitors and triggers would have done on stored windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from viridian.api.performance import PerformanceMetric
from viridian.backtest.cadence import Cadence, advise, decay_rate
from viridian.backtest.history import UnusableHistory
from viridian.backtest.report import BacktestReport, MonitorReport, backtest
from viridian.cli.files import UnusableFile, read_manifests
from viridian.cli.history_arguments import WINDOWS, IncidentFile, Objects, Profiles, amount, stored_history
from viridian.cli.output_formats import TableFormat, TableOrJson
from viridian.cli.text_tables import table, time_of
from viridian.people.report_texts import ABSENT, span

DESCRIPTION: Final = """\
Replay stored windows over a ModelDeployment's monitors and a RetrainPolicy's triggers. Neither has to be applied
anywhere. Shown are the alarms, the false ones among them, how late each known incident would have been caught, and
what the runs would have cost. The verdicts are those of the operator's own rules.
"""
EPILOG: Final = """\
examples:
  # Windows of 90 days as the collector has them, through kubectl port-forward svc/viridian-collector 8090:
  curl -H "Authorization: Bearer $TOKEN" \\
    "http://127.0.0.1:8090/v1/windows/ml/churn?start=$START&end=$END&seconds=86400" > windows.json
  python -m viridian.cli backtest -f churn.yaml --windows windows.json --profile profile.json
  # Which threshold would have been right?
  python -m viridian.cli backtest -f churn.yaml --windows windows.json --profile profile.json \\
    --incidents incidents.yaml --try inputs=0.1,0.2,0.3
  # How often does it pay to train?
  python -m viridian.cli backtest -f churn.yaml --windows windows.json \\
    --cost-of-run 12.50 --cadence auc --value-of-point 900
"""


def replay_windows(
    filename: Objects,
    windows: Annotated[Path, WINDOWS],
    profile: Profiles = [],  # noqa: B006 - typer copies it
    incidents: IncidentFile = None,
    thresholds: Annotated[
        list[str],
        typer.Option(
            "--try",
            metavar="MONITOR[=NUMBER,…]",
            help="Score other thresholds of this monitor; without numbers, 20 that matter; may be repeated.",
        ),
    ] = [],  # noqa: B006
    cost_of_run: Annotated[float, typer.Option(metavar="AMOUNT", help="1 counts runs.", parser=amount)] = 1.0,
    cadence: Annotated[
        PerformanceMetric | None, typer.Option(help="Advise how often to train, from the decay of this metric.")
    ] = None,
    value_of_point: Annotated[
        float | None,
        typer.Option(
            metavar="AMOUNT",
            help="With --cadence: what 1.0 of the metric is worth a day, in the unit of --cost-of-run.",
            parser=amount,
        ),
    ] = None,
    output: TableOrJson = TableFormat.TABLE,
) -> str:
    if cadence is not None and value_of_point is None:
        raise UnusableFile("--cadence needs --value-of-point: what 1.0 of the metric is worth a day")
    manifests = read_manifests(filename)
    _, deployment = manifests.deployment()
    history = stored_history(windows, profile, incidents)
    try:
        report = backtest(
            deployment,
            manifests.policy(),
            history,
            cost_of_run=cost_of_run,
            thresholds=dict(map(_thresholds_of, thresholds)),
        )
    except UnusableHistory as problem:
        raise UnusableFile(str(problem)) from problem
    advice = None
    if cadence is not None and value_of_point is not None:
        decay = decay_rate(history, cadence)
        advice = advise(decay, cost_of_run, value_of_point)
    if output is TableFormat.JSON:
        return _as_json(report, advice)
    return "\n\n".join(_sections(report, advice))


def _thresholds_of(argument: str) -> tuple[str, Sequence[float]]:
    name, _, numbers = argument.partition("=")
    try:
        return name, tuple(float(number) for number in numbers.split(",") if number.strip())
    except ValueError as error:
        raise UnusableFile(f"--try {argument}: write numbers with commas between, such as {name}=0.1,0.2") from error


def _as_json(report: BacktestReport, cadence: Cadence | None) -> str:
    whole = {"backtest": report, "cost": report.cost, "cadence": cadence}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _sections(report: BacktestReport, cadence: Cadence | None) -> Iterator[str]:
    yield f"{report.windows} windows from {time_of(report.start)} to {time_of(report.end)}"
    yield _monitors(report.monitors)
    if alarms := _alarms(report.monitors):
        yield alarms
    for monitor in report.monitors:
        if monitor.tried:
            yield f"{monitor.name} with other thresholds:\n{_thresholds(monitor)}"
    if report.runs:
        yield f"{len(report.runs)} runs, {report.cost:g} in all:\n{_runs(report)}"
    elif report.responses:
        yield "no run would have been started"
    if report.responses:
        rows = [(response.incident, span(response.seconds)) for response in report.responses]
        yield table(("incident", "first run after"), rows)
    if cadence is not None:
        yield cadence.sentence


def _monitors(monitors: Sequence[MonitorReport]) -> str:
    headings = ("monitor", "windows", "judged", "fired", "alarms", "false", "caught", "missed", "median delay")
    rows = []
    for monitor in monitors:
        found = monitor.score
        numbers = (found.windows, found.judged, found.fired, found.alarms, found.false_alarms)
        rows.append((monitor.name, *map(str, numbers), *_caught(monitor)))
    return table(headings, rows)


def _caught(monitor: MonitorReport) -> tuple[str, str, str]:
    found = monitor.score
    return str(found.caught), str(found.missed), span(found.median_delay)


def _alarms(monitors: Sequence[MonitorReport]) -> str:
    rows = [
        (time_of(alarm.raised_at), monitor.name, str(alarm.fired), time_of(alarm.ended_at), _truth(alarm.false))
        for monitor in monitors
        for alarm in monitor.alarms
    ]
    return table(("alarm", "monitor", "windows", "quiet again", "false"), sorted(rows)) if rows else ""


def _truth(value: bool) -> str:
    return "yes" if value else "no"


def _thresholds(monitor: MonitorReport) -> str:
    rows = []
    for one in monitor.tried:
        found = one.score
        numbers = (found.fired, found.alarms, found.false_alarms, found.caught, found.missed)
        rows.append((f"{one.threshold:g}", *map(str, numbers), span(found.median_delay)))
    return table(("threshold", "fired", "alarms", "false", "caught", "missed", "median delay"), rows)


def _runs(report: BacktestReport) -> str:
    rows = [(time_of(run.at), ", ".join(run.triggers) or ABSENT, f"{run.cost:g}") for run in report.runs]
    return table(("run", "triggers", "cost"), rows)
