"""Peers of a NetworkPolicy as the operator's configuration names them, in the words of Kubernetes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

# Prometheus stands in a namespace of this name in the usual installations.
DEFAULT_METRICS_FROM = '[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]'
_EXAMPLE = f"write a JSON list of NetworkPolicyPeers, such as {DEFAULT_METRICS_FROM}"
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


class _Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class _Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    match_labels: dict[str, str] = {}
    match_expressions: list[_Requirement] = []


class _Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"but": "except"}):
    cidr: str
    but: list[str] = []


class _Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    namespace_selector: _Selector | None = None
    pod_selector: _Selector | None = None
    ip_block: _Block | None = None


def parse_peers(text: str) -> tuple[dict[str, Any], ...]:
    """The peers in the form in which the API server stores them; ValueError says what is wrong with the text.

    They are checked here, since a policy that the API server refuses would protect nothing.
    """
    try:
        peers = msgspec.json.decode(text, type=list[_Peer])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{error}; {_EXAMPLE}") from None
    for peer in peers:
        _check(peer)
    return tuple(msgspec.to_builtins(peers))


def _check(peer: _Peer) -> None:
    selectors = [one for one in (peer.namespace_selector, peer.pod_selector) if one is not None]
    if peer.ip_block is None and not selectors:
        raise ValueError(f"a peer needs namespaceSelector, podSelector or ipBlock; {_EXAMPLE}")
    if peer.ip_block is not None and selectors:
        raise ValueError("a peer has either ipBlock or selectors, not both: write two peers")
    if peer.ip_block is not None:
        _check_blocks(peer.ip_block)
    for selector in selectors:
        _check_selector(selector)


def _check_blocks(block: _Block) -> None:
    network = _network(block.cidr)
    for text in block.but:
        inner = _network(text)
        if inner.version != network.version or inner == network or not inner.subnet_of(network):  # type: ignore[arg-type]
            raise ValueError(f"except {text} must lie within {block.cidr}")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        if "/" not in text:
            raise ValueError
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no range of addresses, such as 10.0.0.0/8") from None


def _check_selector(selector: _Selector) -> None:
    _check_labels([*selector.match_labels, *(one.key for one in selector.match_expressions)], _KEY, "label's name")
    _check_labels(selector.match_labels.values(), _VALUE, "label's value")
    for requirement in selector.match_expressions:
        if (requirement.operator in ("In", "NotIn")) != bool(requirement.values):
            raise ValueError(f"{requirement.key}: In and NotIn need values, Exists and DoesNotExist have none")
        _check_labels(requirement.values, _VALUE, "label's value")


def _check_labels(words: Iterable[str], pattern: re.Pattern[str], what: str) -> None:
    for word in words:
        if pattern.fullmatch(word) is None:
            raise ValueError(f"{word!r} is no {what}")
