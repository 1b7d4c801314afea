"""What the values of flags may be: each reads a text, or says in words what to write instead."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TypeVar
from urllib.parse import urlsplit

from viridian.api import durations
from viridian.api.address import shown, without_user
from viridian.api.network import parse_peers
from viridian.api.origins import origin_of
from viridian.api.resources import ApiResource
from viridian.core import selectors
from viridian.core.model_owners import OwnerRule

Value = TypeVar("Value")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_RESOURCE = re.compile(r"([a-z0-9.-]{1,253}/[a-z0-9]{1,63})/([a-z]{1,63})=([A-Z][A-Za-z0-9]{0,62})")
_LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}=[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CONFIG_MAP_KEY = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_SECRET = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _in_words(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """argparse shows the sentence of an ArgumentTypeError, and hides that of a ValueError."""

    @wraps(read)
    def value(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


peers = _in_words(parse_peers)
"""NetworkPolicyPeers as JSON."""
selector = _in_words(selectors.parse)
"""A label selector, as kubectl takes it."""


def secret_or_none(text: str) -> str | None:
    """`namespace/name` of a Secret; None for the word none."""
    if text == "none":
        return None
    if not _SECRET.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be NAMESPACE/NAME, or the word none")
    return text


def pod_user(text: str) -> int | None:
    """The number of a user; None for the word assigned. Root is none: pods are held to the restricted standard."""
    if text == "assigned":
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number from 1 to 2147483647, or the word assigned")
    return int(text)


def config_map_key(text: str) -> tuple[str, str]:
    """Name and key of a ConfigMap."""
    if not _CONFIG_MAP_KEY.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be CONFIGMAP/KEY, such as corporate-ca/ca.crt")
    name, _, key = text.partition("/")
    return name, key


def stage_resource(text: str) -> ApiResource:
    """A kind that may do the work of a stage, as `ray.io/v1/rayjobs=RayJob`."""
    found = _RESOURCE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be GROUP/VERSION/PLURAL=KIND, such as ray.io/v1/rayjobs=RayJob"
        )
    return ApiResource(found[1], found[3], found[2])


def spot_node(text: str) -> str:
    """A label of spot nodes, as `karpenter.sh/capacity-type=spot`."""
    if not _LABEL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a label of nodes, such as karpenter.sh/capacity-type=spot")
    return text


def owner_rule(text: str) -> OwnerRule:
    """Which registered models belong to a namespace, as `sec-b=sec-*`."""
    namespace, equals, pattern = (part.strip() for part in text.partition("="))
    if not equals or not pattern or "=" in pattern:
        raise argparse.ArgumentTypeError(f"{text!r} must be a namespace and a pattern of names, such as sec-b=sec-*")
    return OwnerRule(namespace, pattern)


def namespaced(text: str) -> tuple[str, str]:
    """A namespace, and the file or folder that is for it."""
    namespace, _, folder = (part.strip() for part in text.partition("="))
    if not namespace or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} must be a namespace and a path, such as sec-b=/credentials/sec-b")
    return namespace, folder


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{shown(text)!r} must begin with http:// or https://")
    if origin_of(text) is None:
        raise argparse.ArgumentTypeError(f"{shown(text)!r} names no host and port that can be read")
    if "?" in text or "#" in text:
        raise argparse.ArgumentTypeError(
            f"{shown(text)!r} must end with its path: pods and Jobs get the address as it is, and add their own"
        )
    return text


def address_or_none(text: str) -> str | None:
    """An empty variable sets nothing, as everywhere: `none` states that there is no collector."""
    if text == "none":
        return None
    try:
        address = _address(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or be the word none") from None
    if not without_user(address):
        raise argparse.ArgumentTypeError(
            f"the address {shown(text)} must hold no user and password: the operator shows a token there"
        )
    return address


def mlflow_address(text: str) -> str:
    """An address without credentials, since pods and Jobs get it as it is."""
    if not without_user(_address(text)):
        raise argparse.ArgumentTypeError(
            f"the address of MLflow at {urlsplit(shown(text)).netloc} must hold no user and password, since all who "
            "may look at pods could read them there: leave them out, and set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD from a Secret (Helm: mlflow.existingSecret)"
        )
    return text


def switch(text: str) -> bool:
    """on or off."""
    return one_of("on", "off")(text) == "on"


@_in_words
def duration(text: str) -> timedelta:
    """Ten seconds or more."""
    length = durations.parse(text)
    if length < timedelta(seconds=10):
        raise ValueError(f"{text} is too short; write 10s or more")
    return length


class between:  # noqa: N801 - reads as a word where it is used
    """A whole number within bounds."""

    def __init__(self, low: int, high: float = math.inf) -> None:
        self._low, self._high = low, high

    def __call__(self, text: str) -> int:
        if not text.isdecimal() or not self._low <= int(text) <= self._high:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from {self._low} to {self._high}")
        return int(text)


class one_of:  # noqa: N801
    """One of some words, whatever the case."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __call__(self, text: str) -> str:
        if text.lower() not in self._words:
            raise argparse.ArgumentTypeError(f"{text!r} must be one of {', '.join(self._words)}")
        return text.lower()


@_in_words
def lease_seconds(text: str) -> int:
    """Whole seconds, since a Lease can say nothing else; at least two, so that a renewal can fail once."""
    seconds = durations.parse(text).total_seconds()
    if not 2 <= seconds <= 300 or seconds != int(seconds):
        raise ValueError(f"{text!r} is not in whole seconds between 2s and 300s")
    return int(seconds)


def lease_or_none(text: str) -> str | None:
    """The name of a Lease; None for the word none."""
    if text == "none":
        return None
    if not _NAME.fullmatch(text) or len(text) > 253:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a Lease, and not the word none")
    return text
