"""What the API server's answers mean: the one place where status codes become the errors of the port."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from viridian.ports.cluster import ClusterConflict, ClusterError, ClusterRefused, ClusterUnavailable

MAX_MESSAGE = 500
MAX_CAUSES = 4

# The server explains patterns at length: `a valid label must … (e.g. 'x', regex used for validation is …)`.
_EXAMPLES = re.compile(r"\s*\(e\.g\..*?regex used for validation is .*?\)(?=$|[;,\]])")
# Of a whole structure only the verdict is of use: `Invalid value: {"Volumes":null,…}: field is immutable`.
_STRUCTURE = re.compile(r"Invalid value: [{\[].*[}\]]: ", re.DOTALL)
# Server-side apply answers a manifest that does not fit the schema with 500 and no reason, in one of these forms.
_MISFIT = re.compile(
    r"failed to (?:create typed patch object|convert new object) \(.*?\)(?:: | to proper version: [^:]*: )", re.DOTALL
)
# It shows the values that it did not expect as Go prints them: `got &value.valueUnstructured{Value:1}`.
_GO_VALUE = re.compile(r"&(?:value\.valueUnstructured)?\{(?:Value:)?(.*?)\}")


# A policy or a webhook chooses the code of its denial: 401, 409, 429 and 5xx would each mean something else.
_DENIED = re.compile(r"admission webhook \"[^\"]*\" denied the request|ValidatingAdmissionPolicy .* denied request")


def failure(status: int, body: Any, subject: str, *, retry_after: str | None = None) -> ClusterError:
    """The error that an answer other than success stands for; `subject` names the object in the message."""
    message = _message(body)
    if _DENIED.search(message):
        return ClusterRefused(_sentence(subject, message))
    if status == 429 or status == 401:
        return ClusterUnavailable(f"{subject}: {status} {message}", retry_after=_seconds(retry_after))
    if status >= 500:
        if found := _MISFIT.search(message):
            return ClusterRefused(_sentence(subject, _GO_VALUE.sub(r"\1", message[found.end() :])))
        return ClusterUnavailable(f"{subject}: {status} {message}", retry_after=_seconds(retry_after))
    if status == 404 and not is_not_found(body):
        return ClusterRefused(f"{subject}: the API server does not know this kind; are Viridian's CRDs installed?")
    if status in (404, 409) or _is_leaving(body) or _has_other_uid(body):
        return ClusterConflict(f"{subject}: {message}")
    return ClusterRefused(_sentence(subject, _causes(body) or message))


def is_not_found(body: Any) -> bool:
    """Whether a 404 speaks of one object, rather than of a path that nobody serves."""
    return bool(_details(body).get("name"))


def _message(body: Any) -> str:
    text = body.get("message") if isinstance(body, Mapping) else body
    return " ".join(str(text or "no message").split())[:MAX_MESSAGE]


def _causes(body: Any) -> str:
    """The faults of an invalid object: each with its field, without the server's explanation of patterns."""
    causes = _details(body).get("causes") or []
    # `<nil>` stands for "some rules were not checked, since others were broken".
    faults = [cause for cause in causes if cause.get("message") and cause.get("field") not in (None, "", "<nil>")]
    told = [f"{cause['field']}: {cause['message']}" for cause in faults]
    unique = list(dict.fromkeys(_EXAMPLES.sub("", _STRUCTURE.sub("", text)) for text in told))
    more = f" (and {len(unique) - MAX_CAUSES} more)" if len(unique) > MAX_CAUSES else ""
    return "; ".join(unique[:MAX_CAUSES]) + more


def _sentence(subject: str, message: str) -> str:
    text = " ".join(message.split())
    return f"{subject}: {text}" if len(text) <= MAX_MESSAGE else f"{subject}: {text[: MAX_MESSAGE - 1]}…"


def _is_leaving(body: Any) -> bool:
    """Nothing can be made in a namespace that is being deleted; what belongs there will be gone by itself."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in _details(body).get("causes") or [])


def _has_other_uid(body: Any) -> bool:
    """A manifest that names a uid meant an object that has been replaced by another of the same name."""
    return any(cause.get("field") == "metadata.uid" for cause in _details(body).get("causes") or [])


def _details(body: Any) -> Mapping[str, Any]:
    details = body.get("details") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def _seconds(retry_after: str | None) -> float | None:
    """The header as seconds; its other form, a date, is not used by the API server."""
    return float(retry_after) if retry_after and retry_after.isdigit() else None
