"""docs/operations.md names every flag, every metric and every right."""

from __future__ import annotations

from pathlib import Path

import pytest

from viridian.api.resources import OWN
from viridian.controller.backoff import Backoff
from viridian.controller.config import argument_parser
from viridian.controller.health import Heartbeat
from viridian.controller.keys import Key
from viridian.controller.queue import Ending, Settled, WorkQueue
from viridian.controller.telemetry import Telemetry
from viridian.controller.watched import CHILDREN

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()


def test_every_flag_and_its_variable() -> None:
    flags = [flag for action in argument_parser({})._actions for flag in action.option_strings if flag.startswith("--")]
    for flag in flags:
        if flag not in ("--help", "--version"):
            assert f"`{flag}`" in PAGE
            assert f"`VIRIDIAN_{flag[2:].replace('-', '_').upper()}`" in PAGE


async def test_every_metric() -> None:
    async def handle(key: Key) -> Ending:
        return Settled()

    telemetry, heartbeat = Telemetry(), Heartbeat()
    observer = telemetry.of("rollout", "ModelDeployment")
    telemetry.watch_queue("rollout", WorkQueue(handle, backoff=Backoff(lambda: 0.5), observer=observer))
    telemetry.watch_lag(lambda: heartbeat.lag)
    for family in telemetry.registry.collect():
        if not family.name.startswith("process_"):
            assert f"`{family.name}{'_total' if family.type == 'counter' else ''}`" in PAGE, family.name


@pytest.mark.parametrize("resource", [*OWN, *CHILDREN], ids=lambda resource: resource.plural)
def test_every_resource_that_it_has_rights_to(resource: object) -> None:
    assert f"`{resource.plural}`" in PAGE  # type: ignore[attr-defined]
