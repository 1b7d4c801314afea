"""The operator's configuration: flags, each of which can also be given as an environment variable."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from viridian import __version__
from viridian.api.address import shown
from viridian.api.lease import LEASE_SECONDS
from viridian.api.network import DEFAULT_METRICS_FROM
from viridian.api.resources import ApiResource
from viridian.controller.event_flags import EVENTS_RATE, event_flags
from viridian.controller.flag_group import FlagGroup
from viridian.controller.flag_values import (
    between,
    duration,
    lease_or_none,
    lease_seconds,
    namespaced,
    one_of,
    owner_rule,
    peers,
    spot_node,
    stage_resource,
    switch,
)
from viridian.controller.own_names import own_namespace
from viridian.controller.service_flags import COLLECTOR_TOKEN, EVENT_SINK_TOKEN, PROMETHEUS_TOKEN
from viridian.controller.serving_flags import serving_flags
from viridian.core.model_owners import OwnerRule
from viridian.core.pod_platform import USER, given_proxies
from viridian.core.selectors import EVERYTHING, Selector
from viridian.core.templates import NO_LIMITS, TemplateRules, Templates
from viridian.retraining.stages.spot import SPOT_NODES

_DESCRIPTION = """\
Viridian keeps machine-learning models alive on Kubernetes: it trains, judges, rolls out blue-green and reverts.
This is the operator. It serves ModelDeployments and RetrainPolicies until SIGTERM.
"""
_EPILOG = """\
Every flag can be given as an environment variable instead: --health-port as VIRIDIAN_HEALTH_PORT, and so on; several
values are separated by commas there. A flag wins over the variable. Credentials for MLflow come from
MLflow's own variables, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and are never
logged.

Inside a cluster the pod's service account is used; outside, $KUBECONFIG or ~/.kube/config. Docs: docs/operations.md.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorConfig:
    """The operator's settings."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to serve; none means all."""
    server_image: str
    trainer_image: str
    """The image in which built-in stages run."""
    spot_nodes: tuple[str, ...] = SPOT_NODES
    """Labels of spot nodes, which are taints of theirs as well, as `key=value`."""
    stage_resources: tuple[ApiResource, ...] = ()
    """Kinds of objects that may do the work of stages, beside Jobs."""
    pod_user: int | None = USER
    """With which id pods of models run; None: with one that the platform assigns."""
    ca_bundle: tuple[str, str] | None = None
    """ConfigMap and key with the authorities that pods trust; None: those of their images."""
    proxies: tuple[tuple[str, str], ...] = ()
    """Variables and values, as this process and the pods that it makes have them."""
    gateway_api: bool = False
    """Whether routes of the Gateway API may split the traffic of models."""
    image_pull_secrets: tuple[str, ...] = ()
    """Names of the Secrets with which pods of models and Jobs pull their images."""
    mlflow_uri: str | None = None
    mlflow_credentials: tuple[tuple[str, str], ...] = ()
    """Namespace and folder of the credentials by which MLflow is asked on its behalf."""
    signature_keys: tuple[tuple[str, str], ...] = ()
    """Namespace, or a pattern, and the file of public keys one of which must have signed what is served there."""
    registry_models: tuple[OwnerRule, ...] = ()
    """Which namespaces may have which registered models written to; what no rule matches is claimed."""
    collector_url: str | None = None
    """Address of the collector; None where there is none."""
    collector_token_file: str = COLLECTOR_TOKEN
    """Where the operator's own token for it lies; nothing there means none."""
    prometheus_url: str | None = None
    """Address of what answers queries of triggers; None where there is none."""
    prometheus_token_file: str = PROMETHEUS_TOKEN
    """Where the operator's token for it lies, with the authority of its certificate; nothing there means none."""
    event_sink_url: str | None = None
    """Address of what takes CloudEvents about transitions; None where nobody wants any."""
    event_sink_token_file: str = EVENT_SINK_TOKEN
    """Where the operator's token for it lies, with the authority of its certificate; nothing there means none."""
    require_tls: bool = False
    """Whether the addresses of MLflow, the collector, Prometheus and the event sink must be https."""
    own_namespace: str | None = None
    """Where the operator runs; None outside of a cluster."""
    templates: TemplateRules = NO_LIMITS
    """What pod templates may say."""
    network_policies: bool = True
    metrics_from: tuple[Mapping[str, Any], ...] = ()
    """NetworkPolicyPeers that may read the metrics of model servers."""
    orders_secret: str | None = None
    """`namespace/name` of the Secret with the key of orders; None: there is none, and model servers take no orders."""
    lease: str | None = None
    """Name of the Lease in the operator's own namespace by which operators agree who leads; None: there is no other."""
    lease_seconds: int = LEASE_SECONDS
    identity: str = ""
    """Under which name the Lease is held; no two processes may have the same. Empty: one that nobody else has."""
    selector: Selector = EVERYTHING
    """The labels of the objects that this operator serves."""
    kubeconfig: str | None = None
    workers: int = 4
    resync: timedelta = timedelta(minutes=20)
    health_port: int = 8080
    metrics_port: int = 9090
    log_level: str = "info"
    log_format: str = "json"
    events_port: int | None = None
    """Where events are received; None: nowhere."""
    events_keys: tuple[tuple[str, str], ...] = ()
    """Namespace and folder of the keys by which requests for it are signed."""
    events_tokens: bool = True
    """Whether senders may show tokens of service accounts."""
    events_rate: int = EVENTS_RATE
    """Requests a second of one sender."""
    events_tls: Path | None = None
    """Folder of the receiver's certificate; None: it speaks without TLS."""


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> OperatorConfig:
    """The configuration; for a wrong one, exits with status 2 and a sentence, as every program does."""
    parser = argument_parser(environment)
    parsed = vars(parser.parse_args(arguments))
    for name, (variable, read) in _SEVERAL.items():
        given = parsed[name] or _listed(parser, environment.get(variable, ""), variable, read)
        parsed[name] = tuple(dict.fromkeys(given))
    parsed["spot_nodes"] = parsed["spot_nodes"] or SPOT_NODES
    for flag in ("mlflow_credentials", "events_keys"):
        if len(dict(parsed[flag])) < len(parsed[flag]):
            parser.error(f"--{flag.replace('_', '-')}: one namespace has two folders")
    parsed["proxies"] = _proxies(parser, environment)
    if parsed["require_tls"]:
        _only_tls(parser, parsed)
    if parsed["own_namespace"] is None:
        parsed["lease"] = None
    templates = TemplateRules(Templates(parsed.pop("templates")), parsed.pop("stage_images"))
    identity, served = parsed.pop("identity") or "", parsed.pop("selector") or EVERYTHING
    return OperatorConfig(templates=templates, identity=identity, selector=served, **parsed)


_SEVERAL: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "namespaces": ("VIRIDIAN_NAMESPACE", str),
    "image_pull_secrets": ("VIRIDIAN_IMAGE_PULL_SECRET", str),
    "stage_resources": ("VIRIDIAN_STAGE_RESOURCE", stage_resource),
    "spot_nodes": ("VIRIDIAN_SPOT_NODES", spot_node),
    "stage_images": ("VIRIDIAN_STAGE_IMAGE", str),
    "mlflow_credentials": ("VIRIDIAN_MLFLOW_CREDENTIALS", namespaced),
    "signature_keys": ("VIRIDIAN_SIGNATURE_KEYS", namespaced),
    "events_keys": ("VIRIDIAN_EVENTS_KEYS", namespaced),
    "registry_models": ("VIRIDIAN_REGISTRY_MODELS", owner_rule),
}
"""Of flags that may be repeated: their variables, and how each of the values is read there."""


def argument_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The flags; their defaults are what the environment says."""
    parser = argparse.ArgumentParser(
        prog="viridian-operator",
        # What is wrong stands alone, and not below a list of all flags; --help has that.
        usage="%(prog)s [FLAG ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"viridian {__version__}")
    for title, flags in _GROUPS.items():
        flags(FlagGroup(parser.add_argument_group(title), environment))
    return parser


def _proxies(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Those of this process, for the pods that it makes as well."""
    proxies = given_proxies(environment)
    for name, value in proxies:
        if "@" in value:
            parser.error(
                f"{name} holds a user and a password, which everybody who sees a pod of a model could read: name a "
                "proxy that asks for none"
            )
    return proxies


def _only_tls(parser: argparse.ArgumentParser, parsed: Mapping[str, Any]) -> None:
    """Tokens and what models are asked go to these addresses."""
    for flag in ("mlflow_uri", "collector_url", "prometheus_url", "event_sink_url"):
        address = parsed[flag]
        if address and not address.startswith("https://"):
            parser.error(
                f"--require-tls is on, and --{flag.replace('_', '-')} is {shown(address)}: name an address that begins "
                "with https://, or turn --require-tls off"
            )


def _guarding(group: FlagGroup) -> None:
    group.add(
        "--templates",
        "any, or resources-only: then pod templates may say resources, scheduling and plain environment variables, "
        "and nothing is deployed or trained from one that says more",
        default="any",
        metavar="any|resources-only",
        type=one_of("any", "resources-only"),
    )
    group.repeated(
        "--stage-image",
        "with --templates=resources-only, an image that the stages of a RetrainPolicy may run, or, ending in *, all "
        "that begin so; may be given several times. None: no stage runs [VIRIDIAN_STAGE_IMAGE]",
        metavar="IMAGE",
        dest="stage_images",
    )
    group.add(
        "--network-policies",
        "on or off: a NetworkPolicy for each ModelDeployment, which opens the management port of its pods to the "
        "operator and to --metrics-from alone, and every other declared port to everybody. An operator outside of the "
        "cluster makes none, unless --own-namespace says where its calls come from",
        default="on",
        metavar="on|off",
        type=switch,
    )
    group.add(
        "--metrics-from",
        "who may read the metrics of model servers, as a JSON list of NetworkPolicyPeers",
        default=DEFAULT_METRICS_FROM,
        metavar="PEERS",
        type=peers,
    )
    group.add(
        "--require-tls",
        "on or off: refuse to start where the address of MLflow or the collector is not https",
        default="off",
        metavar="on|off",
        type=switch,
    )
    group.add(
        "--own-namespace",
        "namespace that the operator runs in; the default is that of its pod",
        default=own_namespace(),
        metavar="NAME",
    )


def _leading(group: FlagGroup) -> None:
    group.add(
        "--lease",
        "name of the Lease in --own-namespace whose holder works while the other operators stand by; or the word none, "
        "where there is one operator and never a second one. Without --own-namespace there is none",
        default="viridian-operator",
        metavar="NAME",
        type=lease_or_none,
    )
    group.add(
        "--lease-duration",
        "how long the leader may go without renewing the Lease, in whole seconds: a dead leader costs this much. A "
        "leader stops writing after five eighths of it",
        default=f"{LEASE_SECONDS}s",
        metavar="TIME",
        type=lease_seconds,
        dest="lease_seconds",
    )
    group.add(
        "--identity",
        "name under which this process holds the Lease, such as the name of its pod; no other process may have it. The "
        "default is the name of the computer and a random part",
        metavar="NAME",
    )


def _working(group: FlagGroup) -> None:
    group.add("--kubeconfig", "kubeconfig file to use instead of the pod's service account", metavar="FILE")
    group.add(
        "--workers",
        "objects of each kind worked on at the same time",
        default=4,
        metavar="N",
        type=between(1, 64),
    )
    group.add(
        "--resync",
        "all objects are looked at again after this time at the latest, even when nothing happens",
        default="20m",
        metavar="TIME",
        type=duration,
    )


def _telling(group: FlagGroup) -> None:
    port = between(0, 65535)
    group.add("--health-port", "port of /healthz", default=8080, metavar="PORT", type=port)
    group.add("--metrics-port", "port of /metrics and /readyz", default=9090, metavar="PORT", type=port)
    group.add(
        "--log-level",
        "debug, info, warning or error",
        default="info",
        type=one_of(*_LEVELS),
        metavar="LEVEL",
    )
    group.add("--log-format", "json or text", default="json", type=one_of("json", "text"), metavar="FORMAT")


_LEVELS = ("debug", "info", "warning", "error")
_GROUPS: Final[Mapping[str, Callable[[FlagGroup], None]]] = {
    "what to serve": serving_flags,
    "which of several operators leads": _leading,
    "how to work": _working,
    "who may reach model servers, and what templates may say": _guarding,
    "which events to receive": event_flags,
    "what to tell about itself": _telling,
}
"""By the title under which --help shows them."""


def _listed(parser: argparse.ArgumentParser, text: str, variable: str, read: Callable[[str], Any]) -> list[Any]:
    """The values of a variable, which is refused like a flag where one is wrong: none must be lost."""
    try:
        return [read(part.strip()) for part in text.split(",") if part.strip()]
    except argparse.ArgumentTypeError as error:
        parser.error(f"{variable}: {error}")
