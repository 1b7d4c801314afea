"""Peers of a NetworkPolicy, as they are configured: exactly what the API server would store, or a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from viridian.api.network import DEFAULT_METRICS_FROM, parse_peers

NAMED = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


@pytest.mark.parametrize(
    "peers",
    [
        [],
        [NAMED],
        [{"namespaceSelector": {}}],
        [{"podSelector": {"matchExpressions": [{"key": "a/b", "operator": "In", "values": ["x", ""]}]}}],
        [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, **NAMED}],
        [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"ipBlock": {"cidr": "fd00::/8"}}],
    ],
)
def test_what_kubernetes_takes_is_taken_as_it_is(peers: list[dict[str, Any]]) -> None:
    assert list(parse_peers(json.dumps(peers))) == peers


def test_what_says_nothing_is_left_out_as_the_api_server_does() -> None:
    """Otherwise the policy would never look as it was meant, and be written for ever."""
    padded: dict[str, Any] = {
        "namespaceSelector": {"matchLabels": {}, "matchExpressions": []},
        "podSelector": None,
        "ipBlock": None,
    }
    assert parse_peers(json.dumps([padded])) == ({"namespaceSelector": {}},)
    assert parse_peers(json.dumps([{"ipBlock": {"cidr": "10.0.0.0/8", "except": []}}])) == (
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    )


def test_the_default_is_the_namespace_monitoring() -> None:
    assert parse_peers(DEFAULT_METRICS_FROM) == (NAMED,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("monitoring", "write a JSON list of NetworkPolicyPeers"),
        ("", "write a JSON list"),
        ("{}", "Expected `array`"),
        ("[" * 100_000, "write a JSON list"),
        ("[{}]", "a peer needs namespaceSelector, podSelector or ipBlock"),
        ('[{"namespace": "a"}]', "unknown field `namespace`"),
        ('[{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]', "not both"),
        ('[{"ipBlock": {"cidr": "10.0.0.1/8"}}]', "no range of addresses"),
        ('[{"ipBlock": {"cidr": "10.0.0.1"}}]', "no range of addresses"),
        ('[{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]', "must lie within"),
        ('[{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/16"]}}]', "must lie within"),
        ('[{"podSelector": {"matchLabels": {"a b": "c"}}}]', "no label's name"),
        ('[{"podSelector": {"matchLabels": {"a": "b c"}}}]', "no label's value"),
        ('[{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]', "need values"),
        ('[{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}]', "have none"),
        ('[{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}]', "Invalid enum value"),
    ],
)
def test_anything_else_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_peers(text)
