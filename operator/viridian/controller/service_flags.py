"""The flags about the services that the operator asks: MLflow, the collector, Prometheus, the event sink."""

from __future__ import annotations

from typing import Final

from viridian.controller.flag_group import FlagGroup
from viridian.controller.flag_values import address_or_none, mlflow_address, namespaced, owner_rule, secret_or_none
from viridian.controller.own_names import own_collector, own_orders_secret

PROMETHEUS_TOKEN: Final = "/var/run/secrets/viridian.dev/prometheus/token"  # noqa: S105 - a path
EVENT_SINK_TOKEN: Final = "/var/run/secrets/viridian.dev/event-sink/token"  # noqa: S105 - a path
COLLECTOR_TOKEN: Final = "/var/run/secrets/viridian.dev/collector/token"  # noqa: S105 - a path
_MLFLOW_URI: Final = "MLFLOW_TRACKING_URI"


def service_flags(group: FlagGroup) -> None:
    """Where they are, and by which credentials they are asked."""
    _registry(group)
    _collector(group)
    _prometheus(group)
    _event_sink(group)


def _registry(group: FlagGroup) -> None:
    group.add(
        "--mlflow-uri",
        "address of the MLflow server, as http://mlflow.ml.svc:5000; without it, only models given by URI can be "
        "served and nothing can be retrained",
        variables=(_MLFLOW_URI,),
        metavar="URI",
        type=mlflow_address,
    )
    group.repeated(
        "--signature-keys",
        "file of Ed25519 public keys (PEM): namespaces of this name, or pattern such as *, serve only versions that "
        "one of them has signed, whatever a spec says; may be given several times [VIRIDIAN_SIGNATURE_KEYS]",
        metavar="NAMESPACE=FILE",
        type=namespaced,
    )
    group.repeated(
        "--mlflow-credentials",
        "folder with MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, as files: by "
        "these MLflow is asked on behalf of this namespace, and never by the operator's own; may be given several "
        "times [VIRIDIAN_MLFLOW_CREDENTIALS]",
        metavar="NAMESPACE=FOLDER",
        type=namespaced,
    )
    group.repeated(
        "--registry-models",
        "registered models that only this namespace may have written to, as sec-b=sec-*; may be given several times, "
        "also for the same models; without a namespace, as =*, nobody may write to what no other one matches. Models "
        "that nothing matches belong to the namespaces in their tag viridian.namespaces, else to the first that writes "
        "[VIRIDIAN_REGISTRY_MODELS]",
        metavar="NAMESPACE=PATTERN",
        type=owner_rule,
    )


def _collector(group: FlagGroup) -> None:
    group.add(
        "--collector-url",
        "address of the collector, as http://viridian-collector.viridian-system.svc:8090, or the word none where there "
        "is none; the default is the Service viridian-collector of the operator's own namespace, where it runs in a "
        "cluster",
        default=own_collector(),
        metavar="URI",
        type=address_or_none,
    )
    group.add(
        "--orders-secret",
        "Secret, as viridian-system/viridian-orders, with the key by which model servers know orders of this operator; "
        "the operator makes it where it is missing. Or the word none: then servers take no orders, and clients that "
        "keep their connections follow the traffic more slowly. The default is viridian-orders in the operator's own "
        "namespace, where it runs in a cluster",
        default=own_orders_secret(),
        metavar="NAMESPACE/NAME",
        type=secret_or_none,
    )
    group.add(
        "--collector-token-file",
        "file with the operator's token for the collector, of audience viridian-collector",
        default=COLLECTOR_TOKEN,
        metavar="FILE",
    )


def _prometheus(group: FlagGroup) -> None:
    group.add(
        "--prometheus-url",
        "address of Prometheus, or of what answers its queries, as http://prometheus.monitoring.svc:9090, for triggers "
        "and metrics with a query; {namespace} in it stands for the namespace of the object, for proxies that keep "
        "tenants apart: without one, all who may write a RetrainPolicy or a ModelDeployment can query everything that "
        "is stored there. Without the address, or with the word none, no query is answered",
        metavar="URI",
        type=address_or_none,
    )
    group.add(
        "--prometheus-token-file",
        "file with a bearer token for it; ca.crt beside it is trusted as well",
        default=PROMETHEUS_TOKEN,
        metavar="FILE",
    )


def _event_sink(group: FlagGroup) -> None:
    group.add(
        "--event-sink-url",
        "address that takes a CloudEvent about each transition of an object by POST, as "
        "http://broker-ingress.knative-eventing.svc/ml/default; without it, or with the word none, none is sent",
        metavar="URI",
        type=address_or_none,
    )
    group.add(
        "--event-sink-token-file",
        "file with a bearer token for it; ca.crt beside it is trusted as well",
        default=EVENT_SINK_TOKEN,
        metavar="FILE",
    )
