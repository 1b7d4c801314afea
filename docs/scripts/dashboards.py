"""Writes the dashboards for Grafana: python -m docs.scripts.dashboards.

A dashboard is a list of panels, each a title, a kind, a unit and its queries. Everything else is the same for all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[2] / "manifests" / "components" / "dashboards"
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24
_RANGE: Final = "$__rate_interval"
_OF_ONE: Final = 'namespace="$namespace",name="$name"'
_OF_ALL: Final = 'namespace=~"$namespace"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `queries`: PromQL by legend; of a table the legend is not shown."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page. `variables`: query by name, in the order in which they depend on each other."""

    uid: str
    title: str
    variables: dict[str, str]
    panels: tuple[Panel, ...]
    several: bool = False
    """Whether a variable takes several values, and all of them at first."""


_NAMESPACES: Final = {"namespace": "label_values(viridian_condition, namespace)"}

FLEET = Dashboard(
    "viridian-fleet",
    "Viridian / Fleet",
    _NAMESPACES,
    (
        Panel(
            "Models",
            {"": f'count(viridian_condition{{kind="ModelDeployment",type="Ready",{_OF_ALL}}})'},
            kind="stat",
            width=6,
        ),
        Panel(
            "Not served",
            {"": f'count(viridian_condition{{kind="ModelDeployment",type="Ready",{_OF_ALL}}} == 0) or vector(0)'},
            kind="stat",
            width=6,
        ),
        Panel(
            "On trial",
            {"": f'count(viridian_model_weight{{role="challenger",{_OF_ALL}}} > 0) or vector(0)'},
            kind="stat",
            width=6,
        ),
        Panel(
            "Drift or decay",
            {
                "": "count(viridian_condition{"
                f'type=~"DataDrift|PredictionDrift|ConceptDrift|Decay",{_OF_ALL}}} == 1) or vector(0)'
            },
            kind="stat",
            width=6,
        ),
        Panel(
            "What is waited for",
            {"": f"sum by (kind, namespace, name, model, ticket, reason) (viridian_waits_for{{{_OF_ALL}}})"},
            kind="table",
            width=24,
        ),
        Panel(
            "Share of challengers",
            {"{{namespace}}/{{name}}": f'viridian_model_weight{{role="challenger",{_OF_ALL}}}'},
            "percent",
        ),
        Panel("Ways back in a day", {"{{namespace}}/{{name}}": f"increase(viridian_rollbacks_total{{{_OF_ALL}}}[1d])"}),
        Panel(
            "From the first bad answer to the traffic being back",
            {
                "p50": "histogram_quantile(0.5, sum by (le) (rate(viridian_time_to_revert_seconds_bucket[1d])))",
                "p99": "histogram_quantile(0.99, sum by (le) (rate(viridian_time_to_revert_seconds_bucket[1d])))",
            },
            "s",
        ),
        Panel(
            "Until a monitor is quiet again",
            {"p50": "histogram_quantile(0.5, sum by (le) (rate(viridian_time_to_recover_seconds_bucket[30d])))"},
            "s",
        ),
    ),
    several=True,
)

MODEL = Dashboard(
    "viridian-model",
    "Viridian / One model",
    {
        **_NAMESPACES,
        "name": 'label_values(viridian_condition{kind="ModelDeployment",namespace="$namespace"}, name)',
    },
    (
        Panel("Share of the traffic", {"{{role}}": f"viridian_model_weight{{{_OF_ONE}}}"}, "percent"),
        Panel("Verdicts about the challenger", {"{{metric}} {{verdict}}": f"viridian_verdict{{{_OF_ONE}}}"}),
        Panel(
            "Conditions: 1 True, 0 False, -1 Unknown",
            {"{{type}}": f'viridian_condition{{kind="ModelDeployment",{_OF_ONE}}}'},
        ),
        Panel(
            "Waits for",
            {"{{reason}}": f"viridian_waits_for{{{_OF_ONE}}}"},
            text="Nothing is shown while nothing is waited for.",
        ),
        Panel(
            "Requests by version and code",
            {"{{version}} {{code}}": f"sum by (version, code) (rate(viridian_requests_total{{{_OF_ONE}}}[{_RANGE}]))"},
            "reqps",
        ),
        Panel(
            "95 % of the answers take at most",
            {
                "{{version}}": "histogram_quantile(0.95, sum by (le, version) "
                f"(rate(viridian_request_duration_seconds_bucket{{{_OF_ONE}}}[{_RANGE}])))"
            },
            "s",
        ),
        Panel(
            "Figures of the monitors",
            {
                "{{monitor}} {{measure}} {{feature}}": f"viridian_monitor_value{{{_OF_ONE}}}",
                "threshold {{monitor}} {{measure}} {{feature}}": f"viridian_monitor_threshold{{{_OF_ONE}}}",
            },
            width=24,
            text="Drift, performance on known outcomes, and business figures that a monitor watches.",
        ),
        Panel("Holdout beside it", {"{{monitor}} {{measure}}": f"viridian_monitor_reference{{{_OF_ONE}}}"}),
        Panel(
            "Rows behind the figures", {"{{monitor}} {{measure}} {{feature}}": f"viridian_monitor_samples{{{_OF_ONE}}}"}
        ),
        Panel("Means of the features", {"{{feature}} {{of}}": f"viridian_feature_mean{{{_OF_ONE}}}"}),
        Panel("Missing values", {"{{feature}} {{of}}": f"viridian_feature_missing_share{{{_OF_ONE}}}"}, "percentunit"),
    ),
)

RETRAINING = Dashboard(
    "viridian-retraining",
    "Viridian / Retraining",
    _NAMESPACES,
    (
        Panel("Runs at work", {"": f"sum(viridian_run_active{{{_OF_ALL}}})"}, kind="stat", width=8),
        Panel(
            "Policies that are paused",
            {"": f'count(viridian_condition{{kind="RetrainPolicy",type="Paused",{_OF_ALL}}} == 1) or vector(0)'},
            kind="stat",
            width=8,
        ),
        Panel(
            "Bad data",
            {"": f'count(viridian_condition{{type="DataQuality",{_OF_ALL}}} == 0) or vector(0)'},
            kind="stat",
            width=8,
        ),
        Panel(
            "Newest runs",
            {"": f"sum by (namespace, name, model, ticket, outcome) (viridian_last_run{{{_OF_ALL}}})"},
            kind="table",
        ),
        Panel(
            "Triggers that started no run",
            {"": f"sum by (namespace, name, trigger, reason) (viridian_trigger_suppressed{{{_OF_ALL}}})"},
            kind="table",
        ),
        Panel(
            "Finished runs in a day",
            {"{{outcome}}": f"sum by (outcome) (increase(viridian_runs_total{{{_OF_ALL}}}[1d]))"},
        ),
        Panel(
            "From a cause to the run that answers it",
            {"p90": "histogram_quantile(0.9, sum by (le) (rate(viridian_trigger_wait_seconds_bucket[7d])))"},
            "s",
        ),
    ),
    several=True,
)

OPERATOR = Dashboard(
    "viridian-operator",
    "Viridian / Operator",
    {},
    (
        Panel("Leaders", {"": "sum(viridian_leader)"}, kind="stat", width=8),
        Panel(
            "Mistakes in a day",
            {"": 'sum(increase(viridian_reconciles_total{outcome="error"}[1d]))'},
            kind="stat",
            width=8,
        ),
        Panel(
            "Memory",
            {"": "max(process_resident_memory_bytes and on(instance, job) viridian_leader)"},
            "bytes",
            "stat",
            8,
        ),
        Panel("Event loop is late by", {"{{instance}}": "viridian_loop_lag_seconds"}, "s"),
        Panel("Objects that wait", {"{{name}} {{lane}}": "sum by (name, lane) (workqueue_depth)"}),
        Panel(
            "Passes",
            {"{{reconciler}} {{outcome}}": f"sum by (reconciler, outcome) (rate(viridian_reconciles_total[{_RANGE}]))"},
            "ops",
        ),
        Panel(
            "99 % of the passes take at most",
            {
                "{{reconciler}}": "histogram_quantile(0.99, sum by (le, reconciler) "
                f"(rate(viridian_reconcile_seconds_bucket[{_RANGE}])))"
            },
            "s",
        ),
        Panel(
            "Calls to the API server",
            {
                "{{verb}} {{resource}} {{code}}": "sum by (verb, resource, code) "
                f"(rate(viridian_api_requests_total[{_RANGE}]))"
            },
            "reqps",
        ),
        Panel(
            "From a wake-up to the pass, 99 %",
            {
                "{{name}} {{lane}}": "histogram_quantile(0.99, sum by (le, name, lane) "
                f"(rate(workqueue_queue_duration_seconds_bucket[{_RANGE}])))"
            },
            "s",
        ),
        Panel(
            "Received events",
            {"{{result}}": f"sum by (result) (rate(viridian_received_events_total[{_RANGE}]))"},
            "ops",
        ),
        Panel(
            "CPU", {"{{instance}}": f"rate(process_cpu_seconds_total[{_RANGE}]) and on(instance, job) viridian_leader"}
        ),
    ),
)

DASHBOARDS: Final = (FLEET, MODEL, RETRAINING, OPERATOR)


def document(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["viridian"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["viridian"], "title": "Viridian", "asDropdown": True}],
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_panels(dashboard.panels)),
    }


def _variables(dashboard: Dashboard) -> list[dict[str, Any]]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return [source, *(_variable(name, query, dashboard.several) for name, query in dashboard.variables.items())]


def _variable(name: str, query: str, several: bool) -> dict[str, Any]:
    all_of_them = {"includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return {
        "name": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        **(all_of_them if several else {}),
    }


def _panels(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    left, top, tallest = 0, 0, 0
    for number, panel in enumerate(panels, 1):
        height = 4 if panel.kind == "stat" else 8
        if left + panel.width > _COLUMNS:
            left, top, tallest = 0, top + tallest, 0
        made.append(_panel(number, panel, {"x": left, "y": top, "w": panel.width, "h": height}))
        left, tallest = left + panel.width, max(tallest, height)
    return made


def _panel(number: int, panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    table = panel.kind == "table"
    hidden = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": expression,
                **({"legendFormat": legend} if legend else {}),
                **({"format": "table", "instant": True} if table else {}),
            }
            for place, (legend, expression) in enumerate(panel.queries.items())
        ],
        **({"transformations": [hidden]} if table else {}),
    }


def text(dashboard: Dashboard) -> str:
    """The file."""
    return json.dumps(document(dashboard), indent=1) + "\n"


if __name__ == "__main__":
    for one in DASHBOARDS:
        (FOLDER / f"{one.uid}.json").write_text(text(one))
