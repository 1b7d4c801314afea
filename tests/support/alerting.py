"""A real Prometheus with the shipped rules, a real Alertmanager behind it, and what that hands on."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from localcluster.ports import free_port
from tests.support.debian import ALERTMANAGER, PROMETHEUS
from tests.support.kube import eventually
from tests.support.stack.server import served
from tests.support.web_server import QuietHandler, web_server

HASTE: Final = 60
"""A minute of the rules is a second of a test."""
PATIENCE: Final = 120.0
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WAIT: Final = re.compile(r"(\d+)([smhd])")
_WINDOW: Final = re.compile(r"\[(\d+)([smhd])\]")
_AGE: Final = re.compile(r"(time\(\) - \w+ [<>] )(\d+)")

Rule = Mapping[str, Any]


def hastened(rule: Rule) -> dict[str, Any]:
    """The same rule with every time in it divided by HASTE, and nothing else changed."""
    expression = _WINDOW.sub(lambda found: f"[{_shortened(found)}]", rule["expr"])
    expression = _AGE.sub(lambda found: f"{found[1]}{_divided(int(found[2]))}", expression)
    waits = {"for": _shortened(found)} if (found := _WAIT.fullmatch(rule.get("for", ""))) else {}
    return {**rule, "expr": expression, **waits}


def _shortened(found: re.Match[str]) -> str:
    return f"{_divided(int(found[1]) * _UNITS[found[2]])}s"


def _divided(seconds: int) -> int:
    whole, rest = divmod(seconds, HASTE)
    assert not rest, f"{seconds} s is no multiple of {HASTE} s"
    return whole


@dataclass(frozen=True)
class Alerting:
    """What can be seen of the alerts."""

    prometheus: str
    handed_on: list[dict[str, Any]] = field(default_factory=list)
    """Each alert in each notification of Alertmanager, in their order."""

    def until_handed_on(self, alert: str, status: str, **labels: str) -> dict[str, Any]:
        """The first alert with these labels that Alertmanager hands on as `firing` or as `resolved`."""
        wanted = {"alertname": alert, **labels}.items()

        def found() -> dict[str, Any] | None:
            alerts = [one for one in list(self.handed_on) if one["status"] == status]
            return next((one for one in alerts if wanted <= one["labels"].items()), None)

        return eventually(found, what=f"{alert} {status} for {labels}", timeout=PATIENCE, every=0.2)

    def first_seen(self, alert: str, state: str, **labels: str) -> float | None:
        """When Prometheus first had the alert `pending` or `firing`, in seconds since the epoch."""
        matchers = ",".join(
            f'{key}="{value}"' for key, value in {"alertname": alert, **labels, "alertstate": state}.items()
        )
        query = urllib.parse.urlencode({"query": f"ALERTS{{{matchers}}}[1h]"})
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/query?{query}", timeout=30) as answer:
            series = json.load(answer)["data"]["result"]
        return min((float(at) for one in series for at, _ in one["values"]), default=None)


@contextmanager
def alerting(rules: Sequence[Rule], scrape: Mapping[str, Any], folder: Path) -> Iterator[Alerting]:
    """Rules of one group, evaluated once a second on what a job of `scrape_configs` reads once a second."""
    here, there = folder / "prometheus", folder / "alertmanager"
    prometheus, alertmanager = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    found = Alerting(prometheus)
    with ExitStack() as running:
        receiver = running.enter_context(_receiver(found.handed_on))
        for where, name, content in (
            (here, "viridian.rules.yaml", {"groups": [{"name": "hastened", "rules": list(rules)}]}),
            (here, "prometheus.yml", _prometheus(scrape, alertmanager)),
            (there, "alertmanager.yml", _alertmanager(receiver)),
        ):
            where.mkdir(exist_ok=True)
            (where / name).write_text(yaml.safe_dump(content))
        flags = ("--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=")
        manage = [str(ALERTMANAGER.find()), *flags, f"--web.listen-address={alertmanager}"]
        running.enter_context(served(manage, there, f"http://{alertmanager}", health="/-/ready"))
        evaluate = [str(PROMETHEUS.find()), "--config.file=prometheus.yml", f"--web.listen-address={prometheus}"]
        running.enter_context(served(evaluate, here, f"http://{prometheus}", health="/-/ready"))
        yield found


def _prometheus(scrape: Mapping[str, Any], alertmanager: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["viridian.rules.yaml"],
        "scrape_configs": [{"job_name": "viridian", "honor_labels": True, **scrape}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
    }


def _alertmanager(receiver: str) -> dict[str, Any]:
    at_once = {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
    return {
        "route": {"receiver": "test", "group_by": ["alertname", "namespace", "name"], **at_once},
        "receivers": [{"name": "test", "webhook_configs": [{"url": receiver, "send_resolved": True}]}],
    }


@contextmanager
def _receiver(handed_on: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a webhook."""

    class Webhook(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            handed_on.extend(json.loads(body)["alerts"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with web_server(Webhook) as address:
        yield f"{address}/"
