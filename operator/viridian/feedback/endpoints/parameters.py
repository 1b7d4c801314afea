"""What several endpoints read from a request: the caller, the place, and the parameters of the query."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from viridian.access.caller import Caller
from viridian.feedback import number_texts
from viridian.feedback.collector_app import CollectorApp
from viridian.feedback.identifiers import MAX_TEXT, checked_names, is_text
from viridian.feedback.problems import HttpProblem

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


async def authenticated(collector: CollectorApp, request: Request) -> Caller:
    """The caller that the bearer token belongs to; HttpProblem for any other request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise HttpProblem(401, "show a service-account token for the audience viridian-collector: Bearer …")
    address = request.client.host if request.client else ""
    identity = await collector.access.identify(token.strip(), address)
    request.state.namespace = identity.namespace
    return identity


def namespace(request: Request, identity: Caller) -> str:
    """The one that is named, or else the caller's own."""
    namespace = request.query_params.get("namespace", identity.namespace)
    if not namespace:
        raise HttpProblem(400, "say which namespace: ?namespace=…")
    return checked_names(namespace, "any")[0]


def place(request: Request) -> tuple[str, str]:
    """Namespace and deployment of the path."""
    return checked_names(request.path_params["namespace"], request.path_params["deployment"])


def number(request: Request, name: str, default: float | None = None) -> float:
    """A parameter of the query that is a number."""
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    found = number_texts.number(text or "")
    if found is None:
        raise HttpProblem(400, f"say {name} as a number: ?{name}=…")
    return found


def label_definition(request: Request) -> str:
    """Under which definition of the label outcomes count; empty: under any."""
    text = request.query_params.get("label", "")
    if not is_text(text):
        raise HttpProblem(400, f"say a label definition of at most {MAX_TEXT} characters, none of them NUL: ?label=…")
    return text


def truth(request: Request, name: str, default: bool) -> bool:
    """A parameter of the query that is true or false."""
    text = request.query_params.get(name, str(default)).lower()
    if text not in _TRUTHS:
        raise HttpProblem(400, f"say {name} as true or false: ?{name}=…")
    return _TRUTHS[text]
