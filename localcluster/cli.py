"""The command line: ``python3 -m localcluster``."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence

from localcluster import binaries, envoy_gateway, images, ocilayout, publish
from localcluster.builder import ensure
from localcluster.clusters import KUBECONFIG_VARIABLE, choose
from localcluster.console import say
from localcluster.controlplane import ControlPlane
from localcluster.errors import LocalClusterError

Command = Callable[[argparse.Namespace], int]

DESCRIPTION = "One real Kubernetes on this computer, for the demo, the tests and the benchmarks."
EPILOG = f"""\
Which cluster: the one of --kubeconfig or ${KUBECONFIG_VARIABLE}; else kind, when kind and a container engine answer;
else a node of plain processes, built from Go modules (needs Debian, root and Go; the first build takes some minutes).
Everything lies under $VIRIDIAN_CACHE (default: viridian in the user's cache)."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
    except LocalClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("localcluster", description=DESCRIPTION, epilog=EPILOG)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    known = ", ".join(binary.name for binary in binaries.CATALOGUE)
    build = commands.add_parser("build", help="build the binaries that are not in the cache yet")
    build.add_argument("what", nargs="*", metavar="WHAT", help=f"some of: {known}")
    build.set_defaults(run=_build)
    for name, run, text in (
        ("up", _up, "bring the cluster up; at once when it is"),
        ("down", _down, "take it down and leave nothing behind"),
        ("status", _status, "what runs; the exit code is 0 only when all of it does"),
        ("env", _env, 'print exports for a shell: eval "$(python3 -m localcluster env)"'),
        ("gateway", _gateway, f"install Envoy Gateway into it; its GatewayClass is `{envoy_gateway.CLASS}`"),
    ):
        _add_for_cluster(commands, name, run, text)
    plane = commands.add_parser("control-plane", help="serve an API without a node until interrupted; needs no root")
    plane.set_defaults(run=_control_plane)
    image = commands.add_parser("images", help="build the images, or build and load them")
    actions = image.add_subparsers(required=True, metavar="ACTION")
    known = ", ".join(image.name for image in images.IMAGES)
    for name, run, text in (
        ("build", _images_build, "build what has changed"),
        ("load", _images_load, "build what has changed and load it into the cluster"),
    ):
        action = _add_for_cluster(actions, name, run, text)
        action.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {known}")
    push = actions.add_parser("push", help="build what has changed and push all images to a registry of your own")
    push.add_argument("--registry", default="", help="prefix of their names, as registry.example.com/viridian")
    push.add_argument("--tag", default="", help=f"default: {publish.version()}, the version of this checkout")
    push.add_argument("--insecure", action="store_true", help="the registry has no TLS")
    push.add_argument("--base", default="", help="base image, instead of the Dockerfile's or this computer's own")
    push.add_argument("--release", action="store_true", help="refuse a base image without a digest")
    push.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {known}")
    push.set_defaults(run=_images_push)
    return parser


def _add_for_cluster(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Command, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--kubeconfig", metavar="FILE", help="the cluster of this file, instead of one of our own")
    parser.set_defaults(run=run)
    return parser


def _build(options: argparse.Namespace) -> int:
    names = options.what or [known.name for known in binaries.CATALOGUE if known.name not in binaries.ON_DEMAND]
    for name in names:
        binaries.binary(name)
    ensure(names)
    for name in names:
        print(binaries.program(name))
    return 0


def _up(options: argparse.Namespace) -> int:
    cluster = choose(options.kubeconfig)
    cluster.up()
    say(f"up: {cluster.description}")
    print(cluster.kubeconfig)
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    return 0


def _down(options: argparse.Namespace) -> int:
    cluster = choose(options.kubeconfig)
    cluster.down()
    say(f"down: {cluster.description}")
    return 0


def _status(options: argparse.Namespace) -> int:
    cluster = choose(options.kubeconfig)
    states = cluster.status()
    print(cluster.description)
    for name, state in states.items():
        print(f"  {name:<24} {state}")
    return 0 if all(state in {"running", "present"} for state in states.values()) else 1


def _env(options: argparse.Namespace) -> int:
    cluster = choose(options.kubeconfig)
    folders = dict.fromkeys(str(binaries.binary(name).path.parent) for name in binaries.TOOLS)
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    print(f'export PATH={shlex.quote(":".join(folders))}:"$PATH"')
    if any(name in os.environ for name in ("HTTPS_PROXY", "https_proxy")):
        print('export NO_PROXY="${NO_PROXY:+$NO_PROXY,}127.0.0.1,10.89.0.1,10.96.0.0/16"')
    return 0


def _gateway(options: argparse.Namespace) -> int:
    cluster = choose(options.kubeconfig)
    envoy_gateway.install(cluster)
    say(f"the GatewayClass `{envoy_gateway.CLASS}` is there: {cluster.description}")
    return 0


def _control_plane(_options: argparse.Namespace) -> int:
    """Signals are blocked before anything starts, so that an early one is waited for and not lost."""
    ending = {signal.SIGINT, signal.SIGTERM}
    with ControlPlane() as plane:
        signal.pthread_sigmask(signal.SIG_BLOCK, ending)
        print(f"export KUBECONFIG={shlex.quote(str(plane.kubeconfig))}", flush=True)
        say("serving until interrupted (Ctrl-C)")
        signal.sigwait(ending)
    return 0


def _images_build(options: argparse.Namespace) -> int:
    for name, layout in images.build(options.names).items():
        print(images.reference(name), ocilayout.digest(layout))
    return 0


def _images_load(options: argparse.Namespace) -> int:
    choose(options.kubeconfig).load(images.build(options.names))
    return 0


def _images_push(options: argparse.Namespace) -> int:
    published = publish.publish(
        options.registry,
        options.tag,
        options.names,
        insecure=options.insecure,
        base=options.base,
        release=options.release,
    )
    for image in published:
        print(image.reference)
    say(publish.how_to_install(published))
    return 0


if __name__ == "__main__":
    sys.exit(main())
