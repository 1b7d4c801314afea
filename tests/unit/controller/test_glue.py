"""Kopf discovers and watches our two kinds; of its traps (facts about 1.45), those that the source can show."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import kopf
import pytest
from kopf._cogs.structs.ephemera import AnyMemo
from kopf._core.engines.probing import health_reporter

from tests.support.memory_cluster import MemoryCluster
from tests.support.memory_collector import MemoryBundles
from tests.support.memory_registry import MemoryRegistry
from tests.unit.controller.world import NOW, ToldPods
from viridian.api.resources import OWN
from viridian.controller import glue
from viridian.controller.environment import Environment
from viridian.controller.health import Health, Unhealthy
from viridian.controller.keys import Key
from viridian.controller.loop import Loop, assemble
from viridian.controller.telemetry import Telemetry
from viridian.rollout.input import OperatorSettings

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "operator" / "viridian").rglob("*.py"))
GLUE = ROOT / "operator" / "viridian" / "controller" / "glue.py"


def assembled() -> Loop:
    environment = Environment(
        cluster=MemoryCluster(),
        registry=MemoryRegistry(),
        pods=ToldPods(),
        bundles=MemoryBundles(),
        feedback=None,
        clock=lambda: NOW,
        random=lambda: 0.5,
    )
    return assemble(environment, OperatorSettings(server_image="server:1"), Telemetry())


async def _nothing() -> None:
    return None


async def _no_login() -> kopf.AiohttpSession:
    raise AssertionError("nobody logs in here")


async def test_all_that_is_registered_are_raw_events() -> None:
    registry = glue.handlers(assembled(), login=_no_login, start=_nothing, stop=_nothing)
    watched = {handler.selector.plural for handler in registry._watching.get_all_handlers() if handler.selector}
    assert watched == {resource.plural for resource in OWN}
    for others in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(others.get_all_handlers()) == []


async def test_an_event_becomes_a_key_in_the_queue() -> None:
    loop = assembled()
    registry = glue.handlers(loop, login=_no_login, start=_nothing, stop=_nothing)
    handlers: dict[str, Any] = {handler.id: handler.fn for handler in registry._watching.get_all_handlers()}
    model = {"metadata": {"name": "churn", "namespace": "ml", "uid": "1"}}
    policy = {"metadata": {"name": "weekly", "namespace": "ml", "uid": "2"}}
    await handlers["wake-modeldeployments"](event={"type": None, "object": model})
    await handlers["wake-retrainpolicies"](event={"type": "ADDED", "object": policy})
    assert loop.sweeps.known() == {Key("ModelDeployment", "ml", "churn"), Key("RetrainPolicy", "ml", "weekly")}


@pytest.mark.parametrize("namespaced", [True, False])
def test_the_settings_are_those_that_were_chosen(namespaced: bool) -> None:
    chosen, default = glue.settings(namespaced=namespaced), kopf.OperatorSettings()
    assert chosen.scanning.disabled is namespaced
    assert chosen.peering.standalone
    assert not chosen.posting.enabled
    assert "viridian.dev" in chosen.persistence.finalizer
    watching = chosen.watching
    assert (watching.inactivity_timeout, watching.server_timeout, watching.client_timeout) == (70, 300, 330)
    assert (watching.connect_timeout, watching.chunk_size, chosen.queueing.idle_timeout) == (10, 500, 1)
    assert chosen.networking.error_backoffs == default.networking.error_backoffs, (
        "a short list turns outages into exits"
    )
    assert chosen.queueing.worker_limit is None
    body = kopf.Body({"metadata": {"name": "churn"}, "spec": {"replicas": 2}})
    assert chosen.persistence.diffbase_storage.build(body=body) == {}, "no copy of an object is made with its events"
    assert chosen.persistence.diffbase_storage.fetch(body=body) is None
    assert dict(watching.label_selectors) == {}
    chosen.execution.executor.shutdown()
    default.execution.executor.shutdown()


def _raises() -> str:
    raise Unhealthy("a restart would help")


@pytest.mark.parametrize("failing", [None, "check_loop", "check_progress", "check_tasks"])
async def test_trap_g_each_check_alone_turns_the_probe_red_and_at_once(
    failing: str | None, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """Kopf would repeat a failed check after a minute, with the probe waiting meanwhile, were it not told otherwise."""
    loop = assembled()
    if failing is not None:
        monkeypatch.setattr(Health, failing, lambda _: _raises())
    endpoint, listening, settings = (
        f"http://127.0.0.1:{unused_tcp_port}/healthz",
        asyncio.Event(),
        kopf.OperatorSettings(),
    )
    serving = asyncio.create_task(
        health_reporter(
            endpoint,
            memo=AnyMemo(kopf.Memo()),
            indices={},
            registry=glue.handlers(loop, login=_no_login, start=_nothing, stop=_nothing),
            settings=settings,
            ready_flag=listening,
        )
    )
    await listening.wait()
    async with aiohttp.ClientSession() as session, session.get(endpoint) as answer:
        assert answer.status == (200 if failing is None else 500)
    serving.cancel()
    await asyncio.wait([serving])
    settings.execution.executor.shutdown()


def _kopf_uses(tree: ast.AST) -> Iterator[str]:
    """Handlers of Kopf that a source mentions: `kopf.on.x`, `kopf.timer`, …"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "on":
            yield node.attr
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kopf":
            yield node.attr


def test_traps_a_to_c_neither_timers_nor_daemons_nor_patches() -> None:
    """One failed PATCH of Kopf's would end a timer or daemon for good; without them Kopf writes nothing at all."""
    forbidden = {"timer", "daemon", "index", "subhandler", "adopt", "create", "update", "delete", "field", "resume"}
    for source in SOURCES:
        assert not forbidden & set(_kopf_uses(ast.parse(source.read_text()))), source
    parameters = {node.arg for node in ast.walk(ast.parse(GLUE.read_text())) if isinstance(node, ast.arg)}
    assert not parameters & {"patch", "memo", "status", "stopped"}


def test_only_the_glue_knows_kopf() -> None:
    knows = {
        source.name
        for source in SOURCES
        for node in ast.walk(ast.parse(source.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name == "kopf" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kopf")
    }
    assert knows == {"glue.py", "login.py", "main.py"}


def test_handlers_return_nothing_that_kopf_would_write() -> None:
    """What an event handler returns would be patched into the status."""
    tree = ast.parse(GLUE.read_text())
    wakes = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "wake"]
    assert len(wakes) == 1
    for wake in wakes:
        assert not [node for node in ast.walk(wake) if isinstance(node, ast.Return | ast.Await)]


def test_trap_h_the_source_root_is_no_package() -> None:
    """A package named `operator` would shadow the standard library's, and break Python itself."""
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.needs_processes
@pytest.mark.parametrize("heavy", ["numpy", "pandas", "sklearn", "mlflow", "onnxruntime", "kubernetes", "requests"])
def test_the_operator_loads_nothing_heavy(heavy: str, loaded: frozenset[str]) -> None:
    assert heavy not in loaded


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    """Modules that a process has loaded after importing the operator."""
    code = "import sys, viridian.controller.main; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return frozenset(done.stdout.split())
