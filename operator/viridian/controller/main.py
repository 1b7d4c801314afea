"""The command `viridian-operator`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import kopf

from viridian import __version__
from viridian.controller import glue, logs, order_key, preflight
from viridian.controller.child_watches import ChildWatches
from viridian.controller.config import OperatorConfig, parse
from viridian.controller.environment import Environment
from viridian.controller.event_receiver import receiving
from viridian.controller.leadership import Alone, LeaderElector, Leadership, own_identity
from viridian.controller.login import login
from viridian.controller.loop import Loop, assemble
from viridian.controller.server import MetricsServer, all_addresses
from viridian.controller.telemetry import Telemetry
from viridian.controller.watched import child_streams, expected_streams
from viridian.core.election import Timings
from viridian.core.pod_platform import PodPlatform
from viridian.core.signature_keys import SignatureKeys
from viridian.ports.answer_streams import HttpAnswerStreams
from viridian.ports.collector import HttpCollector
from viridian.ports.connection import ApiConnection, ConnectionUnusable
from viridian.ports.event_sink import HttpEventSink
from viridian.ports.http_sessions import session
from viridian.ports.kubernetes import KubernetesCluster
from viridian.ports.kubernetes_watch import KubernetesWatch
from viridian.ports.lease import KubernetesLease
from viridian.ports.mlflow import MlflowRegistry
from viridian.ports.mlflow_api import Credentials
from viridian.ports.mlflow_credentials import CredentialFiles
from viridian.ports.order_signing import OrderKey
from viridian.ports.pod_files import HttpBundles
from viridian.ports.pod_http import pod_http
from viridian.ports.pods import HttpPods
from viridian.ports.prometheus import HttpPrometheus
from viridian.rollout.input import NetworkAccess, OperatorSettings

log = logging.getLogger("viridian.operator")

PATIENCE = 2.0
"""Seconds that Kopf has to come to its end."""
NEW_OBJECTS = 20_000
"""How many of Python's objects are made until garbage is looked for. What the API server answers is thousands of them
without a cycle; with Python's own number a fifth of the time of a sweep went into looking."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT: 0. With 1, a sentence in the log says why it could not."""
    config = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    logs.set_up(level=config.log_level, style=config.log_format)
    try:
        asyncio.run(serve(config, os.environ))
    except (preflight.PreflightFailed, ConnectionUnusable, OSError) as error:
        log.critical("%s", error)
        return 1
    except asyncio.CancelledError:
        log.info("stopped before the start was complete")
    except Exception:
        # A watch that ended with an error ends Kopf, on purpose: the pod is restarted and lists everything anew.
        log.critical("the operator ends", exc_info=True)
        return 1
    return 0


async def serve(config: OperatorConfig, environment: Mapping[str, str]) -> None:
    """The whole life of the operator; raises what makes it impossible."""
    log.info(
        "viridian %s starts: %s",
        __version__,
        f"namespaces {', '.join(config.namespaces)}" if config.namespaces else "all namespaces",
    )
    # Until the loop runs, a signal cancels the start.
    if (task := asyncio.current_task()) is not None:
        _on_signals(task.cancel)
    connection, telemetry = _connection(config, environment), Telemetry()
    async with (
        KubernetesCluster(connection, on_call=telemetry.called, more=config.stage_resources) as cluster,
        # With connections of its own: a renewal must not queue behind passes.
        KubernetesCluster(connection, on_call=telemetry.called) as for_lease,
    ):
        await preflight.check(cluster, config.namespaces, gateway_api=config.gateway_api)
        leadership = await _leadership(config, for_lease)
        key = await order_key.held(cluster, config.orders_secret)
        await _work(config, environment, connection, telemetry, cluster, key, leadership)
    log.info("stopped")


async def _work(
    config: OperatorConfig,
    environment: Mapping[str, str],
    connection: ApiConnection,
    telemetry: Telemetry,
    cluster: KubernetesCluster,
    key: OrderKey | None,
    leadership: Leadership,
) -> None:
    async with _ports(config, environment, cluster, key, leadership) as ports:
        loop = assemble(
            ports,
            OperatorSettings(
                server_image=config.server_image,
                trainer_image=config.trainer_image,
                spot_nodes=config.spot_nodes,
                stage_resources=config.stage_resources,
                image_pull_secrets=config.image_pull_secrets,
                mlflow_uri=config.mlflow_uri,
                registry_models=config.registry_models,
                signature_keys=_signature_keys(config),
                templates=config.templates,
                gateway_api=config.gateway_api,
                platform=PodPlatform(config.pod_user, config.proxies, config.ca_bundle),
                collector_url=config.collector_url,
                access=_access(config),
                orders_key=key.public if key is not None else None,
                receives_events=config.events_port is not None,
            ),
            telemetry,
            namespaces=config.namespaces,
            selector=config.selector,
            resync=config.resync,
            expected_watches=expected_streams(config.namespaces, gateway_api=config.gateway_api),
        )
        async with KubernetesWatch(connection, on_call=telemetry.called) as watch:
            children = ChildWatches(
                watch,
                child_streams(config.namespaces, gateway_api=config.gateway_api),
                listener=loop.wakes,
                stands=loop.health.watches.add,
                missed=loop.listed,
                random=ports.random,
            )
            async with receiving(config, connection, telemetry):
                await _run_kopf(config, all_addresses(environment), connection, loop, children)


async def _leadership(config: OperatorConfig, cluster: KubernetesCluster) -> Leadership:
    if config.lease is None or config.own_namespace is None:
        return Alone()
    lease = KubernetesLease(cluster, namespace=config.own_namespace, name=config.lease)
    await preflight.check_lease(lease, f"{config.own_namespace}/{config.lease}")
    return LeaderElector(lease, config.identity or own_identity(), Timings(config.lease_seconds))


def _on_signals(act: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)


async def _run_kopf(
    config: OperatorConfig,
    health_host: str,
    connection: ApiConnection,
    loop: Loop,
    children: ChildWatches,
) -> None:
    server = MetricsServer(config.metrics_port, metrics=loop.telemetry.exposition, unready=loop.health.unready)
    stop_requested = asyncio.Event()
    last_resort: list[asyncio.TimerHandle] = []

    async def start() -> None:
        # In this order no change of a child is between what a pass has read and what a watch tells.
        loop.tasks += children.start()
        await children.until_all_stand()
        loop.start(config.workers)
        await server.start()

    async def stop() -> None:
        # After a watch has failed, Kopf's other watches wait for ever for credentials that nobody will bring.
        code = 0 if stop_requested.is_set() else 1
        last_resort.append(asyncio.get_running_loop().call_later(PATIENCE, _end_at_once, code))
        await loop.stop()
        await server.close()

    session = login(connection, called=loop.telemetry.called, watching=loop.health.watches.add, listing=loop.listed)
    # What is loaded stays. A full collection of garbage, which holds everything up, is six times shorter without it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    before = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=glue.handlers(loop, login=session, start=start, stop=stop),
        settings=glue.settings(namespaced=bool(config.namespaces), selector=config.selector.text),
        namespaces=config.namespaces,
        clusterwide=not config.namespaces,
        liveness_endpoint=f"http://{health_host}:{config.health_port}/healthz",
        stop_flag=stop_requested,
    )

    async def hand_over() -> None:
        """First, since Kopf may need a while to come to its end, and another operator waits to go on."""
        try:
            await loop.stop()
        finally:
            stop_requested.set()

    ending: set[asyncio.Task[None]] = set()
    # In place of Kopf's own: it must be known whether somebody asked for the end.
    _on_signals(lambda: ending.add(asyncio.create_task(hand_over())))
    try:
        await kopf.run_tasks(tasks, ignored=before)
    finally:
        for timer in last_resort:
            timer.cancel()


def _end_at_once(code: int) -> None:
    """End without any further ado: everything that the operator knows stands in the cluster."""
    log.log(logging.CRITICAL if code else logging.INFO, "ends at once: what is left does not end by itself")
    logging.shutdown()
    os._exit(code)


@asynccontextmanager
async def _ports(
    config: OperatorConfig,
    environment: Mapping[str, str],
    cluster: KubernetesCluster,
    key: OrderKey | None,
    leadership: Leadership,
) -> AsyncIterator[Environment]:
    """The adapters to the real world, closed at the end."""
    shared, own = _registries(config, environment)
    async with (
        session() as opened,
        pod_http(key) as pods,
    ):
        try:
            yield Environment(
                cluster=cluster,
                registry=shared,
                own_registries=own,
                pods=HttpPods(pods),
                streams=HttpAnswerStreams(pods),
                bundles=HttpBundles(pods),
                feedback=_feedback(config, opened),
                prometheus=_prometheus(config, opened),
                sink=_event_sink(config, opened),
                clock=lambda: datetime.now(UTC),
                random=random.random,
                leadership=leadership,
            )
        finally:
            for registry in (shared, *own.values()):
                if registry is not None:
                    await registry.close()


def _signature_keys(config: OperatorConfig) -> tuple[SignatureKeys, ...]:
    """Read once; a file that cannot be read ends the operator, since what is served would not be checked."""
    return tuple(SignatureKeys(namespace, Path(file).read_text()) for namespace, file in config.signature_keys)


def _registries(
    config: OperatorConfig, environment: Mapping[str, str]
) -> tuple[MlflowRegistry | None, Mapping[str, MlflowRegistry]]:
    """MLflow by the operator's own identity, and by those of single namespaces."""
    uri = config.mlflow_uri
    if uri is None:
        return None, {}
    shared = MlflowRegistry(uri, credentials=Credentials.from_environment(environment))
    files = [CredentialFiles(namespace, Path(folder)) for namespace, folder in config.mlflow_credentials]
    return shared, {one.namespace: MlflowRegistry(uri, credentials=one) for one in files}


def _access(config: OperatorConfig) -> NetworkAccess | None:
    """Who may reach the management port of model servers; None where no NetworkPolicies are to be made."""
    if not config.network_policies:
        return None
    if config.own_namespace is None:
        log.warning("no NetworkPolicies are made: the operator runs outside of the cluster; see --own-namespace")
        return None
    return NetworkAccess(config.own_namespace, config.metrics_from)


def _feedback(config: OperatorConfig, opened: aiohttp.ClientSession) -> HttpCollector | None:
    if config.collector_url is None:
        return None
    return HttpCollector(opened, config.collector_url, Path(config.collector_token_file))


def _prometheus(config: OperatorConfig, opened: aiohttp.ClientSession) -> HttpPrometheus | None:
    if config.prometheus_url is None:
        return None
    return HttpPrometheus(opened, config.prometheus_url, Path(config.prometheus_token_file))


def _event_sink(config: OperatorConfig, opened: aiohttp.ClientSession) -> HttpEventSink | None:
    if config.event_sink_url is None:
        return None
    return HttpEventSink(opened, config.event_sink_url, Path(config.event_sink_token_file))


def _connection(config: OperatorConfig, environment: Mapping[str, str]) -> ApiConnection:
    """The kubeconfig that was named, else the pod's service account, else the user's own kubeconfig."""
    if config.kubeconfig:
        return ApiConnection.from_kubeconfig(Path(config.kubeconfig))
    if "KUBERNETES_SERVICE_HOST" in environment:
        return ApiConnection.in_cluster(environment)
    named = environment.get("KUBECONFIG", "").split(os.pathsep)[0]
    return ApiConnection.from_kubeconfig(Path(named) if named else Path.home() / ".kube" / "config")


if __name__ == "__main__":
    sys.exit(main())
