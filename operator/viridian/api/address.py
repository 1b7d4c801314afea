"""Addresses as they may be shown: without user and password, and without what the query says, where signatures stand.

What knows an address keeps it as an `Address`, which prints without its secrets. What quotes the texts of others, which
may hold an address, lets them pass through `concealed`; `Address.concealed_in` finds parts of one as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from viridian.api.kubelet_variables import literal

IMAGE_SCHEME: Final = "oci://"
"""Of a model in an image: the kubelet brings it, and nothing is fetched."""

MODEL_URI_VARIABLE: Final = "VIRIDIAN_MODEL_URI"
MODEL_URI_SECRET_VARIABLE: Final = "VIRIDIAN_MODEL_URI_SECRET"  # noqa: S105 - the name of a variable
_IN_A_SECRET: Final = "secret:"  # noqa: S105 - the beginning of an address
HIDDEN: Final = "…"
_SCHEME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+.-")
_ENDS: Final = frozenset("\"'`<>")
"""Characters that end an address in a sentence; white space does as well."""
_SHORTEST_VALUE: Final = 6
"""Characters of a value in a query that may be a secret; shorter ones are words like `1` and `true`."""
_PUNCTUATION: Final = frozenset(".,:;!?)}")
"""Belongs to the sentence where it stands behind an address."""
_SHORTEST_USER: Final = 3


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """An address that prints without its secrets. Nothing encodes it by accident: it is no text."""

    whole: str
    """With everything in it, for those who ask there."""
    name: str = ""
    """What is printed in the place of an address that is secret as a whole."""

    def __str__(self) -> str:
        return self.name or shown(self.whole)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self.whole)

    def concealed_in(self, text: str) -> str:
        """The text without any part of this address that is not shown: libraries quote halves of it."""
        for form in sorted(self._forms(), key=len, reverse=True):
            text = text.replace(form, str(self))
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return concealed(text)

    def _forms(self) -> set[str]:
        """The address in other words; those of one that is secret as a whole are all that it consists of."""
        forms = {self.whole}
        if self.name:
            forms |= {place(self.whole), self.whole.partition("?")[0], place(self.whole).partition("://")[2]}
        return {form for text in forms for form in (text, unquote(text)) if form}

    def _secrets(self) -> set[str]:
        rest, _, fragment = self.whole.partition("#")
        before, _, query = rest.partition("?")
        beyond = before.partition("://")[2]
        user, password = _credentials(beyond)
        host = beyond.partition("/")[0]
        unreadable = "" if _is_host(host) or "@" in host else host.rpartition(":")[2]
        values = [value for pair in query.split("&") if len(value := pair.partition("=")[2]) >= _SHORTEST_VALUE]
        found = {password, query, fragment, unreadable, *values, user if len(user) >= _SHORTEST_USER else ""}
        return {form for text in found for form in (text, unquote(text)) if form}


def shown(text: str) -> str:
    """The address as it may be shown."""
    scheme, mark, rest = text.partition("//")
    if not mark or "/" in scheme or "?" in scheme or "#" in scheme:
        # Without a host: `mlflow-artifacts:/1/m`, `/models/m`, or `user:password@host/name` by mistake.
        seen, hidden = _without_query(text)
        start = seen.partition("/")[0]
        return (f"{HIDDEN}@{seen.rpartition('@')[2]}" if "@" in start else seen) + hidden
    seen, hidden = _without_query(rest)
    host, slash, path = seen.partition("/")
    if "@" in host:
        host = host.rpartition("@")[2]
    elif "@" in rest and not _is_host(host):
        # A password with / or ? in it: where it ends is not certain, so nothing but the last part is shown.
        host, slash, path = _without_query(rest.rpartition("@")[2])[0].partition("/")
    if not _is_host(host):
        host = HIDDEN
    return f"{scheme}//{host}{slash}{path}{hidden}"


def is_shown_whole(text: str) -> bool:
    """Whether an address that was made to be shown is certainly the whole one: such ones have no room for a user."""
    return HIDDEN not in text and ("//" not in text or text.startswith(("s3://", "gs://", IMAGE_SCHEME)))


def place(text: str) -> str:
    """What is shown of an address, without a word of its query."""
    return shown(text).removesuffix(f"?{HIDDEN}").removesuffix(f"#{HIDDEN}")


def without_user(text: str) -> bool:
    """Whether an address has neither user nor password."""
    return not any(_credentials(text.partition("://")[2]))


def secret_address(name: str, key: str) -> str:
    """What stands for an address that lies in a Secret: `secret:churn-model/uri`."""
    return f"{_IN_A_SECRET}{name}/{key}"


def secret_of(address: str) -> tuple[str, str] | None:
    """Name and entry of the Secret in which an address lies; None for one that is the address itself."""
    name, slash, key = address.removeprefix(_IN_A_SECRET).partition("/")
    return (name, key) if address.startswith(_IN_A_SECRET) and slash else None


def variable(name: str, address: str, *, secret: tuple[str, str] | None) -> dict[str, Any]:
    """An address as a variable of a container; out of its Secret, where it lies in one."""
    if secret is None:
        return {"name": name, "value": literal(address)}
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret[0], "key": secret[1]}}}


def concealed(text: str) -> str:
    """The text with every address in it as it may be shown, in time proportional to its length."""
    found, done = [], 0
    at = text.find("://")
    while at >= 0:
        begin = at
        while begin > done and text[begin - 1].lower() in _SCHEME:
            begin -= 1
        end = at + 3
        while end < len(text) and not text[end].isspace() and text[end] not in _ENDS:
            end += 1
        while text[end - 1] in _PUNCTUATION:
            end -= 1
        end = max(end, at + 3)
        found += [text[done:begin], shown(text[begin:end])]
        done = end
        at = text.find("://", done)
    return "".join([*found, text[done:]])


def _without_query(place: str) -> tuple[str, str]:
    """What stands before query and fragment, and what is shown in their stead."""
    end = min((at for mark in "?#" if (at := place.find(mark)) >= 0), default=-1)
    return (place, "") if end < 0 else (place[:end], f"{place[end]}{HIDDEN}")


def _credentials(rest: str) -> tuple[str, str]:
    """User and password of what stands behind `://`."""
    host = rest.partition("/")[0]
    if "@" not in host:
        host = rest if "@" in rest and not _is_host(_without_query(host)[0]) else ""
    user, _, password = host.rpartition("@")[0].partition(":")
    return user, password


def _is_host(text: str) -> bool:
    """A host, with a port or without: anything else may be the beginning of a user and a password."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host = text
    return (not colon or port == "" or (port.isascii() and port.isdigit() and len(port) <= 5)) and "@" not in host
