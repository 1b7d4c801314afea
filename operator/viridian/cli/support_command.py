"""`support-bundle`: one archive for a report of a fault, without secrets and values of features."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
import yaml

from viridian.api.child_kinds import child_kind
from viridian.api.names import GROUP, MODEL_DEPLOYMENT_LABEL, RETRAIN_POLICY_LABEL
from viridian.api.resources import ApiResource
from viridian.cli.cluster_client import (
    MODEL_DEPLOYMENTS,
    RETRAIN_POLICIES,
    ClusterChoice,
    ClusterClient,
    ClusterProblem,
)
from viridian.cli.files import UnusableFile
from viridian.cli.model_commands import As, ContextName, Kubeconfig, Namespace, problems_as_sentences
from viridian.cli.shareable import shareable_event, shareable_log_line, shareable_object

T = TypeVar("T")
_CHILDREN: Final = ("Deployment", "Service", "ControllerRevision", "Pod", "Job", "HTTPRoute")
_EVENTS: Final = ApiResource("v1", "Event", "events")
_OPERATOR: Final = "app.kubernetes.io/name=viridian,app.kubernetes.io/component=operator"
_LOG_LINES: Final = 5000
_PLURALS: Final = (MODEL_DEPLOYMENTS, RETRAIN_POLICIES)


def support_bundle(
    output: Annotated[str, typer.Option("--output", "-o", help="The archive, which must not be there yet.")] = "",
    operator_namespace: Annotated[str, typer.Option(help="Where the operator runs.")] = "viridian-system",
    namespace: Namespace = "",
    kubeconfig: Kubeconfig = "",
    context: ContextName = "",
    impersonate: As = "",
) -> None:
    """One archive for a report of a fault: objects, Events, logs and versions of a namespace.

    What it holds is chosen by a list of fields; values of variables, texts of containers and addresses' secrets are
    left out. Nothing is sent anywhere.
    """
    now = datetime.now(UTC)
    path = Path(output or f"viridian-support-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    if path.exists():
        raise UnusableFile(f"{path} is there already: name another file with --output")
    with problems_as_sentences():
        client = ClusterClient(ClusterChoice(kubeconfig, context, namespace, impersonate))
        files = dict(_files(client, operator_namespace))
    _write(path, files, now)
    typer.echo(f"{path} has {len(files)} files; look through it before you send it")


def _files(client: ClusterClient, operator_namespace: str) -> Iterator[tuple[str, str]]:
    """Names and contents. What may not be read is named in a file of its own, and stops nothing."""
    missing: list[str] = []

    def read(what: str, call: Callable[[], list[T]]) -> list[T]:
        try:
            return call()
        except ClusterProblem as problem:
            missing.append(f"{what}: {problem}")
            return []

    place = client.namespace
    for plural in _PLURALS:
        yield from map(_object_file, read(plural, partial(_all, client, plural)))
    for kind in _CHILDREN:
        resource = child_kind(kind).resource
        for label in (MODEL_DEPLOYMENT_LABEL, RETRAIN_POLICY_LABEL):
            found = read(kind, partial(client.listed, resource, place, label))
            yield from map(_object_file, found)
    events = read("events", partial(client.listed, _EVENTS, place))
    yield "events.json", _lines([shareable_event(one) for one in events if _is_about_us(one)])
    pods = read(
        "the operator's pods", partial(client.listed, child_kind("Pod").resource, operator_namespace, _OPERATOR)
    )
    for pod in pods:
        name = str(pod["metadata"]["name"])
        yield f"operator/{name}.yaml", yaml.safe_dump(shareable_object(pod), sort_keys=False)
        log = read(f"the log of {name}", partial(client.log, operator_namespace, name, _LOG_LINES))
        yield f"operator/{name}.log", "".join(f"{kept}\n" for line in log if (kept := shareable_log_line(line)))
    yield (
        "versions.json",
        json.dumps({"cli": _own_version(), "cluster": read("its version", lambda: [client.version()])}, indent=2),
    )
    if missing:
        yield "missing.txt", "\n".join(dict.fromkeys(missing)) + "\n"


def _all(client: ClusterClient, plural: str) -> list[Mapping[str, Any]]:
    return list(client.objects(plural, client.namespace))


def _object_file(manifest: Mapping[str, Any]) -> tuple[str, str]:
    name = f"objects/{manifest['kind']}/{manifest['metadata']['name']}.yaml"
    return name, yaml.safe_dump(shareable_object(manifest), sort_keys=False, allow_unicode=True)


def _is_about_us(event: Mapping[str, Any]) -> bool:
    """Of our kinds, or of what the operator makes."""
    about = event.get("involvedObject") or event.get("regarding") or {}
    return GROUP in str(about.get("apiVersion")) or about.get("kind") in (*_CHILDREN, "ReplicaSet")


def _lines(entries: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in entries)


def _own_version() -> str:
    try:
        return version("viridian")
    except PackageNotFoundError:
        return "not installed"


def _write(path: Path, files: Mapping[str, str], at: datetime) -> None:
    folder = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    with tarfile.open(path, "x:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(at.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(content))
