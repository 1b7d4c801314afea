"""What the API server's answers mean: the one place where status codes become the errors of the port."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from viridian.api.texts import one_line
from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable

MAX_MESSAGE = 500
MAX_CAUSES = 4
# What is looked at of a message, however long it is: the beginning says which kind it is, the end holds the verdict.
_HEAD = 1536
_TAIL = 512

# Each of these takes time in proportion to the text, whatever a manifest brings into the server's message.
# Server-side apply answers a manifest that does not fit the schema with 500 and no reason, in one of these forms.
_MISFIT = re.compile(
    r"failed to (?:create typed patch object|convert new object) \([^()]*\)(?:: | to proper version: [^:]*: )"
)
# It shows the values that it did not expect as Go prints them: `got &value.valueUnstructured{Value:1}`.
_GO_VALUE = re.compile(r"&(?:value\.valueUnstructured)?\{(?:Value:)?([^{}&]*)\}")
# A policy or a webhook chooses the code of its denial: 401, 409, 429 and 5xx would each mean something else.
_DENIALS = (('admission webhook "', '" denied the request'), ("ValidatingAdmissionPolicy '", "' denied request"))
_MARKS = " \t\r\n\"'`<>"
_SECONDS = re.compile(r"[0-9]{1,6}")


def failure(status: int, body: Any, subject: str, *, retry_after: str | None = None) -> ClusterError:
    """The error that an answer other than success stands for; `subject` names the object in the message."""
    message = _message(body)
    if _is_denial(message):
        return ClusterRefused(_sentence(subject, message))
    if status == 429 or status == 401:
        return ClusterUnavailable(_sentence(subject, f"{status} {message}"), retry_after=_seconds(retry_after))
    if status >= 500:
        if found := _MISFIT.search(message):
            return ClusterRefused(_sentence(subject, _GO_VALUE.sub(r"\1", message[found.end() :])))
        return ClusterUnavailable(_sentence(subject, f"{status} {message}"), retry_after=_seconds(retry_after))
    if status == 404 and not is_not_found(body):
        return ClusterRefused(f"{subject}: the API server does not know this kind; are Viridian's CRDs installed?")
    if status == 409 and _is_rivalry(body):
        return ClusterRefused(_sentence(subject, f"somebody else has made it: {message}"))
    if status in (404, 409) or _is_leaving(body) or _has_other_uid(body):
        return ClusterConflict(_sentence(subject, message))
    return ClusterRefused(_sentence(subject, _causes(body) or message))


def is_not_found(body: Any) -> bool:
    """Whether a 404 speaks of one object, rather than of a path that nobody serves."""
    return bool(_details(body).get("name"))


def _message(body: Any) -> str:
    """What the server says, shortened in the middle to what the patterns are made for."""
    text = body.get("message") if isinstance(body, Mapping) else body
    return _looked_at(text) or "no message"


def _is_rivalry(body: Any) -> bool:
    """Whether an apply without force met fields that another manager owns."""
    return any(cause.get("reason") == "FieldManagerConflict" for cause in _listed_causes(body))


def _is_denial(message: str) -> bool:
    begins = ((message.find(beginning), end) for beginning, end in _DENIALS)
    return any(begin >= 0 and message.find(end, begin) >= 0 for begin, end in begins)


def _looked_at(text: Any) -> str:
    """One line of at most `_HEAD + _TAIL` characters. What is no text says nothing."""
    if not isinstance(text, str):
        return ""
    whole = text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}…{_end_of(text)}"
    return " ".join(whole.split())


def _end_of(text: str) -> str:
    """The last characters, but for the rest of an address: without its beginning, nobody knows it for one."""
    start = len(text) - _TAIL
    word = max(text.rfind(mark, 0, start) for mark in _MARKS) + 1
    if text.find("://", word, start + 2) < 0:
        return text[start:]
    ends = (text.find(mark, start) for mark in _MARKS)
    return text[min((found for found in ends if found >= 0), default=len(text)) :]


def _causes(body: Any) -> str:
    """The faults of an invalid object: each with its field, without the server's explanation of patterns."""
    # `<nil>` stands for "some rules were not checked, since others were broken".
    faults = [
        (field, message)
        for cause in _listed_causes(body)
        if isinstance(field := cause.get("field"), str)
        and isinstance(message := cause.get("message"), str)
        and message
        and field not in ("", "<nil>")
    ]
    unique = list(dict.fromkeys(faults))
    more = f" (and {len(unique) - MAX_CAUSES} more)" if len(unique) > MAX_CAUSES else ""
    return (
        "; ".join(f"{_looked_at(field)}: {_verdict(_looked_at(message))}" for field, message in unique[:MAX_CAUSES])
        + more
    )


def _verdict(message: str) -> str:
    """What is wrong, without whole structures and patterns."""
    message = _without_structure(message)
    while (shorter := _without_example(message)) != message:
        message = shorter
    return message


def _without_structure(message: str) -> str:
    """Of a whole structure only the verdict is of use: `Invalid value: {"Volumes":null,…}: field is immutable`."""
    before, invalid, value = message.partition("Invalid value: ")
    end = max(value.rfind("}: "), value.rfind("]: "))
    return before + value[end + 3 :] if invalid and value.startswith(("{", "[")) and end > 0 else message


def _without_example(message: str) -> str:
    """Without `(e.g. 'x', regex used for validation is '…')`, with which the server explains patterns at length."""
    start = message.find("(e.g.")
    regex = message.find("regex used for validation is ", start)
    if start < 0 or regex < 0:
        return message
    ends = (message.find(f"){mark}", regex) for mark in (";", ",", "]"))
    end = min((found for found in ends if found >= 0), default=message.rfind(")", regex))
    return message[:start].rstrip() + message[end + 1 :] if end >= 0 else message


def _sentence(subject: str, message: str) -> str:
    return f"{subject}: {one_line(message, MAX_MESSAGE)}"


def _is_leaving(body: Any) -> bool:
    """Nothing can be made in a namespace that is being deleted; what belongs there will be gone by itself."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in _listed_causes(body))


def _has_other_uid(body: Any) -> bool:
    """A manifest that names a uid meant an object that has been replaced by another of the same name."""
    return any(cause.get("field") == "metadata.uid" for cause in _listed_causes(body))


def _listed_causes(body: Any) -> Sequence[Mapping[str, Any]]:
    causes = _details(body).get("causes")
    return [cause for cause in causes if isinstance(cause, Mapping)] if isinstance(causes, list) else []


def _details(body: Any) -> Mapping[str, Any]:
    details = body.get("details") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def _seconds(retry_after: str | None) -> float | None:
    """The header as seconds; its other form, a date, is not used by the API server."""
    return float(retry_after) if retry_after and _SECONDS.fullmatch(retry_after) else None
